import { Effect, Layer, Redacted } from "effect"
import { Headers, HttpRouter, HttpServerRequest, HttpServerRespondable } from "effect/http"
import { type Operation, operations } from "@marketplace/schema/Operations"
import { Unauthenticated } from "@marketplace/schema/Problems"
import type { EventContext } from "@marketplace/schema/Topology"
import { Callers } from "@marketplace/service/Callers"
import { RateLimits } from "./RateLimits.ts"
import { Settings } from "./Settings.ts"
import { SharedCache } from "./SharedCache.ts"
import { Upstreams } from "./Upstreams.ts"

/**
 * What only the platform may say: who calls, from where, in which trace, and how long it waits. A client that sends it is not
 * believed.
 */
const forged = /^(x-forwarded-|x-user|x-service|x-real-ip$|x-deadline-|x-b3-|forwarded$|b3$|baggage$|traceparent$|tracestate$)/

const strip = (headers: Headers.Headers): Headers.Headers =>
  Headers.removeMany(headers, Object.keys(headers).filter((name) => forged.test(name)))

const bearer = (headers: Headers.Headers): Redacted.Redacted | undefined => {
  const [, token] = /^bearer +(\S+) *$/i.exec(headers["authorization"] ?? "") ?? []
  return token === undefined ? undefined : Redacted.make(token)
}

/**
 * A route for each operation of the contracts, and for the keys that tokens are verified with; nothing else is reachable. The
 * caller is verified once, then the service that owns the operation answers, or the shared cache in its stead.
 */
export const Http = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const upstreams = yield* Upstreams
  const callers = yield* Callers
  const limits = yield* RateLimits
  const cache = yield* SharedCache

  const identify = ({ headers }: HttpServerRequest.HttpServerRequest) => {
    const token = bearer(headers)
    return token === undefined ? Effect.fail(new Unauthenticated({})) : callers.verify(token)
  }

  const answer = (service: EventContext, { access, id, sharedFor }: Pick<Operation, "access" | "id" | "sharedFor">) =>
    Effect.gen(function*() {
      const request = yield* HttpServerRequest.HttpServerRequest
      yield* limits.consume(request, id === "sessions.logIn" ? "log-in" : "general")
      const member = access === "public" ? undefined : yield* identify(request)
      const forwarded = Effect.suspend(() =>
        upstreams.forward(service, request.modify({ headers: strip(request.headers) }), member))
      return yield* sharedFor === undefined ? forwarded : cache.answer(request, forwarded)
    }).pipe(Effect.catchTags({
      Unauthenticated: HttpServerRespondable.toResponse,
      TooManyRequests: HttpServerRespondable.toResponse,
      Unavailable: HttpServerRespondable.toResponse
    }))

  for (const operation of operations) yield* router.add(operation.method, operation.path, answer(operation.service, operation))
  yield* router.add("GET", "/.well-known/jwks.json", answer("user", { id: "keys", access: "public", sharedFor: undefined }))
})).pipe(Layer.provide([RateLimits.layer, SharedCache.layer]), Layer.provide(Settings.layer))
