import { Effect, Layer } from "effect"
import { FindMyWay, HttpRouter } from "effect/http"

const methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"] as const

/**
 * Remembers the methods of each path, which Effect's router keeps to itself: it says 404 also where only the method is
 * wrong. Routes that are added through `layer` are known to `of`.
 */
export interface AllowedMethods {
  readonly layer: Layer.Layer<HttpRouter.HttpRouter, never, HttpRouter.HttpRouter>
  /** The methods under which there is a route for this URL; none for an unknown path. */
  readonly of: (url: string) => ReadonlyArray<string>
}

/** One for each set of routes. */
export const make = (): AllowedMethods => {
  const table = FindMyWay.make<true>()

  const record = (method: string, path: HttpRouter.PathInput, prefix: string) => {
    // A route for every method leaves nothing to say.
    if (method === "*") return
    const full = prefix === "" ? path : HttpRouter.prefixPath(path, prefix)
    table.on(method, pathOf(full), true)
    // As Effect's router does: `/files/*` also answers `/files`.
    if (full.endsWith("/*")) table.on(method, pathOf(full.slice(0, -2)), true)
  }

  const recording = (router: HttpRouter.HttpRouter, prefix: string): HttpRouter.HttpRouter =>
    HttpRouter.HttpRouter.of({
      ...router,
      prefixed: (more) => recording(router.prefixed(more), prefix + more),
      add: (method, path, handler, options) => {
        record(method, path, prefix)
        return router.add(method, path, handler, options)
      },
      addAll: (routes) => {
        for (const route of routes) record(route.method, route.path, prefix)
        return router.addAll(routes)
      }
    })

  return {
    layer: Layer.effect(HttpRouter.HttpRouter, Effect.map(HttpRouter.HttpRouter, (router) => recording(router, ""))),
    of: (url) =>
      methods.filter((method) => table.find(method, url) !== undefined)
        .flatMap((method) => method === "GET" ? ["GET", "HEAD"] : [method])
  }
}

const pathOf = (path: string): HttpRouter.PathInput => path === "*" ? path : `/${path.replace(/^\//, "")}`
