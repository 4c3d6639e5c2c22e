import { Effect, Redacted } from "effect"
import { Headers, HttpRouter, type HttpServerRequest, HttpServerRespondable } from "effect/http"
import { operations, type Operation } from "@marketplace/schema/Operations"
import { Unauthenticated } from "@marketplace/schema/Problems"
import { Callers } from "@marketplace/service/Callers"
import { Upstreams } from "./Upstreams.ts"

/** What only the platform may say; a client that sends it is not believed. */
const forged = ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded", "traceparent", "tracestate", "baggage", "b3"]

const strip = (headers: Headers.Headers): Headers.Headers =>
  Headers.removeMany(headers, [...forged, ...Object.keys(headers).filter((name) => name.startsWith("x-user") || name.startsWith("x-service"))])

const bearer = (headers: Headers.Headers): Redacted.Redacted | undefined => {
  const value = headers["authorization"]
  return value !== undefined && /^bearer /i.test(value) ? Redacted.make(value.slice(7).trim()) : undefined
}

/** A route for each operation of the contracts: the caller is verified once, then the service that owns it answers. */
export const Http = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const upstreams = yield* Upstreams
  const callers = yield* Callers

  const identify = (headers: Headers.Headers) => {
    const token = bearer(headers)
    return token === undefined ? Effect.fail(new Unauthenticated({})) : callers.verify(token)
  }

  const handle = ({ access, service }: Operation) => (request: HttpServerRequest.HttpServerRequest) =>
    Effect.gen(function*() {
      const member = access === "public" ? undefined : yield* identify(request.headers)
      return yield* upstreams.forward(service, request.modify({ headers: strip(request.headers) }), member)
    }).pipe(
      Effect.catchTags({
        Unauthenticated: HttpServerRespondable.toResponse,
        Unavailable: HttpServerRespondable.toResponse
      })
    )

  for (const operation of operations) yield* router.add(operation.method, operation.path, handle(operation))
}))

