import { Effect, Layer } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { HttpApiScalar, HttpApiSwagger } from "effect/http-api"
import { asyncApi } from "@marketplace/schema/Snapshots/AsyncApi"
import { DocumentedApi, openApi } from "@marketplace/schema/Snapshots/OpenApi"

const cached = HttpServerResponse.setHeader("cache-control", "public, max-age=300")

/** Documents never change while the process runs: made when somebody asks first. */
const document = (path: `/${string}`, make: () => unknown) =>
  HttpRouter.use(Effect.fnUntraced(function*(router) {
    const response = yield* Effect.cached(Effect.sync(() => cached(HttpServerResponse.jsonUnsafe(make()))))
    yield* router.add("GET", path, response)
  }))

/**
 * The pages carry their scripts within them, which the policy of everything else would refuse. They show nothing of anybody,
 * and may load nothing from, and send nothing to, other places.
 */
const policy = [
  "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'none'"
].join("; ")

const withScripts = HttpRouter.middleware((handler) =>
  Effect.map(handler, (response) => cached(HttpServerResponse.setHeader(response, "content-security-policy", policy)))).layer

/** A page with its script weighs megabytes: loaded when somebody asks first. */
const page = (path: `/${string}`, routes: Layer.Layer<never, never, HttpRouter.HttpRouter>) =>
  HttpRouter.use(Effect.fnUntraced(function*(router) {
    const scope = yield* Effect.scope
    const loaded = yield* Effect.cached(Effect.gen(function*() {
      const own = yield* HttpRouter.make
      yield* Layer.buildWithScope(Layer.provide(routes, Layer.succeed(HttpRouter.HttpRouter, own)), scope)
      return own.asHttpEffect()
    }))
    yield* router.add("GET", path, Effect.flatten(loaded))
  })).pipe(Layer.provide(withScripts))

/** `/openapi.json`, `/asyncapi.json`, and pages that show the first: `/docs` (Scalar) and `/swagger`. */
export const layer = Layer.mergeAll(
  document("/openapi.json", openApi),
  document("/asyncapi.json", asyncApi),
  page("/docs", HttpApiScalar.layer(DocumentedApi, { path: "/docs", scalar: { withDefaultFonts: false, showOperationId: true } })),
  page("/swagger", HttpApiSwagger.layer(DocumentedApi, { path: "/swagger" }))
)
