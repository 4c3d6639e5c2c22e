import { Effect } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { openApi } from "@marketplace/schema/Snapshots/OpenApi"
import { korean as translations, transport } from "@marketplace/service/ProblemTitles"
import { advice } from "./Problems/Advice.ts"

/** A kind of problem, wherever it comes from. */
export interface Kind {
  readonly slug: string
  readonly status: number
  readonly title: string
}

const prefix = "/problems/"

const declared = (): ReadonlyArray<Kind> =>
  Object.values(openApi().components.schemas).flatMap((schema) => {
    const properties = Object(schema["properties"])
    const type = properties["type"]?.enum?.[0]
    return typeof type === "string" && type.startsWith(prefix)
      ? [{ slug: type.slice(prefix.length), status: properties["status"].enum[0], title: properties["title"].examples[0] }]
      : []
  })

/** Every problem that an answer of the gateway may name in `type`: of operations and of HTTP itself. */
export const kinds = (): ReadonlyArray<Kind> => {
  const slugOf = (type: string) => type.slice(prefix.length)
  const all = [
    ...Object.entries(transport).map(([status, { title, type }]) => ({ slug: slugOf(type), status: Number(status), title })),
    ...declared()
  ]
  return [...new Map(all.map((kind) => [kind.slug, kind])).values()]
}

const escape = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

const page = ({ slug, status, title }: Kind): string => {
  const { means, todo } = advice[slug] ?? { means: title, todo: "Tell support the traceId." }
  const korean = translations[prefix + slug]
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title>
<h1>${escape(title)}</h1>
${korean === undefined ? "" : `<p lang="ko">${escape(korean)}</p>\n`}<p><code>${prefix}${slug}</code>, status ${status}</p>
<h2>What it means</h2>
<p>${escape(means)}</p>
<h2>What to do</h2>
<p>${escape(todo)}</p>
</html>
`
}

/** `GET /problems/<slug>`: for whoever follows the `type` of a problem document. */
export const pages = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const known = yield* Effect.cached(Effect.sync(() => new Map(kinds().map((kind) => [kind.slug, page(kind)]))))
  yield* router.add("GET", `${prefix}:slug`, Effect.gen(function*() {
    const { slug = "" } = yield* HttpRouter.params
    const html = (yield* known).get(slug)
    return html === undefined
      ? HttpServerResponse.empty({ status: 404 })
      : HttpServerResponse.html(html).pipe(HttpServerResponse.setHeader("cache-control", "public, max-age=3600"))
  }))
}))
