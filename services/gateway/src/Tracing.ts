import { Effect, Layer, Option, Tracer } from "effect"
import { FindMyWay, HttpMiddleware, type HttpServerRequest } from "effect/http"
import { operations } from "@marketplace/schema/Operations"

const templates = FindMyWay.make<string>()
for (const { method, path } of operations) templates.on(method, path, path)

/** What the span of a request is called: `GET /v1/orders/:id`, or the method alone where no operation is. */
export const spanName = ({ method, url }: HttpServerRequest.HttpServerRequest): string => {
  const found = templates.find(method, url)
  return found === undefined ? method : `${method} ${found.handler}`
}

/**
 * Effect's server takes the caller's `traceparent` for the parent of its span. Outside the platform anybody may send one: it
 * would add to traces that are not his, or switch ours off. Here it becomes a link, and the trace begins with us.
 */
const linking = (tracer: Tracer.Tracer): Tracer.Tracer =>
  Tracer.make({
    ...tracer,
    span: (options) => {
      const caller = Option.getOrUndefined(options.parent)
      if (options.kind !== "server" || caller?._tag !== "ExternalSpan") return tracer.span(options)
      return tracer.span({
        ...options,
        parent: Option.none(),
        root: true,
        // False if the caller said so; whether we sample is for our own tracer to decide.
        sampled: options.sampled || !caller.sampled,
        links: [...options.links, { span: caller, attributes: {} }]
      })
    }
  })

/** How the gateway's server traces: each request begins a trace, linked to its caller's. */
export const layer = Layer.merge(
  Layer.effect(Tracer.Tracer, Effect.map(Tracer.Tracer, linking)),
  Layer.succeed(HttpMiddleware.SpanNameGenerator, spanName)
)
