import { Context, Effect, Layer, type Scope } from "effect"
import { HttpRouter, HttpServerRequest, type HttpServerError, type HttpServerResponse } from "effect/http"
import { Unavailable } from "@marketplace/schema/Problems"
import type { EventContext } from "@marketplace/schema/Topology"
import { VerifiedMember } from "@marketplace/service/Callers"
import { serviceRoutes } from "@marketplace/service/Server"
import { Upstreams } from "../Upstreams.ts"

type Answering = Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  HttpServerError.HttpServerError,
  Scope.Scope | HttpServerRequest.HttpServerRequest
>

/** The services that answer in this process; each enters itself when it is built. */
export class LocalServices extends Context.Service<LocalServices, Map<EventContext, Answering>>()("@marketplace/gateway/LocalServices") {
  static readonly layer = Layer.sync(LocalServices, () => new Map())
}

/** Has a service's routes answer in this process: no socket, and nothing verifies the caller again. */
export const answer = <E, R>(service: EventContext, routes: Layer.Layer<never, E, R>) =>
  Layer.effectDiscard(Effect.gen(function*() {
    const services = yield* LocalServices
    const answering = yield* HttpRouter.toHttpEffect(serviceRoutes(routes))
    services.set(service, answering)
  }))

/** Forwards to the services of this process. */
export const layer = Layer.effect(Upstreams, Effect.gen(function*() {
  const services = yield* LocalServices
  return Upstreams.of({
    forward: (service, request, member) => {
      const answering = services.get(service)
      if (answering === undefined) return Effect.fail(new Unavailable({ retryAfterSeconds: 1, detail: `${service} is starting` }))
      const answered = Effect.provideService(answering, HttpServerRequest.HttpServerRequest, request)
      return member === undefined ? answered : Effect.provideService(answered, VerifiedMember, member)
    }
  })
}))
