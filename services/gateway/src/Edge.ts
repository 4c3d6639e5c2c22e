import { Context, Effect, Tracer } from "effect"
import { HttpEffect, HttpMiddleware, HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { Settings } from "./Settings.ts"

/** What a page of ours may do: nothing; pages that do more bring their own policy. */
const nothing = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

const fixed = {
  "strict-transport-security": "max-age=31536000; includeSubDomains",
  "referrer-policy": "no-referrer"
}

/** What pages of other origins may send and read. */
const cors = {
  allowedMethods: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
  allowedHeaders: [
    "authorization", "content-type", "accept-language", "idempotency-key", "if-match", "if-none-match", "cache-control",
    "x-request-id", "traceparent"
  ],
  exposedHeaders: [
    "etag", "age", "location", "retry-after", "ratelimit", "ratelimit-policy", "idempotency-replayed", "x-request-id",
    "x-trace-id"
  ],
  maxAge: 600
}

const isSane = (requestId: string | undefined): requestId is string =>
  requestId !== undefined && /^[\w.:-]{1,128}$/.test(requestId)

/**
 * What holds for every answer, whoever gives it: `X-Request-Id` (the caller's own if it is sane), `X-Trace-Id` (of our
 * trace, which a problem document names too), and what browsers must not do with it.
 */
const answers = <E, R>(app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
  Effect.withFiber<HttpServerResponse.HttpServerResponse, E, R>(({ context }) => {
    const { headers } = Context.getUnsafe(context, HttpServerRequest.HttpServerRequest)
    const span = Context.getOrUndefined(context, Tracer.ParentSpan)
    const trace = span === undefined ? {} : { "x-trace-id": span.traceId }
    const requestId = isSane(headers["x-request-id"]) ? headers["x-request-id"] : span?.traceId
    HttpEffect.appendPreResponseHandlerUnsafe(context, (_, response) =>
      Effect.succeed(HttpServerResponse.setHeaders(response, {
        "content-security-policy": nothing,
        ...response.headers,
        ...fixed,
        ...trace,
        ...(requestId === undefined ? {} : { "x-request-id": requestId })
      })))
    return app
  })

const same = <A>(app: A): A => app

/** Stands around everything that the gateway serves. */
export const layer = HttpRouter.middleware(
  Effect.map(Settings, ({ corsOrigins, trustedProxies }) => {
    const origins = new Set(corsOrigins)
    const share = origins.size === 0
      ? same
      : HttpMiddleware.cors({ ...cors, allowedOrigins: (origin: string) => origins.has(origin) })
    const identify = trustedProxies.length === 0 ? same : HttpMiddleware.xForwardedHeaders({ trustedProxies })
    return (app) => answers(share(identify(app)))
  }),
  { global: true }
)
