import { Context, Effect, Layer, Metric, References, type Scope } from "effect"
import { HttpRouter, HttpServerRequest, type HttpServerResponse } from "effect/http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Unavailable } from "@marketplace/schema/Problems"
import type { EventContext } from "@marketplace/schema/Topology"
import { VerifiedMember } from "@marketplace/service/Callers"
import { serviceRoutes } from "@marketplace/service/Server"
import { spanName } from "../Tracing.ts"
import { Upstreams } from "../Upstreams.ts"

type Answering = Effect.Effect<HttpServerResponse.HttpServerResponse, never, Scope.Scope | HttpServerRequest.HttpServerRequest>

/** The services that answer in this process; each enters itself when it is built. */
export class LocalServices extends Context.Service<LocalServices, Map<EventContext, Answering>>()(
  "@marketplace/gateway/LocalServices"
) {
  static readonly layer = Layer.sync(LocalServices, () => new Map())
}

/**
 * Has a service's routes answer in this process: no socket, and nothing verifies the caller again. They run as if they had
 * been asked from outside: under a span of their own, in the name of the service if `Telemetry.layerService` says it.
 */
export const answer = <E, R>(service: EventContext, routes: Layer.Layer<never, E, R>) =>
  Layer.effectDiscard(Effect.gen(function*() {
    const services = yield* LocalServices
    const logs = yield* References.CurrentLogAnnotations
    const spans = yield* References.TracerSpanAnnotations
    const metrics = yield* Metric.CurrentMetricAttributes
    const built = yield* Layer.build(serviceRoutes(routes).pipe(Layer.provideMerge(Layer.fresh(HttpRouter.layer))))
    const answering = Context.get(built, HttpRouter.HttpRouter).asHttpEffect()
    services.set(service, Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
      answering.pipe(
        // `serviceRoutes` has answered every failure.
        Effect.orDie,
        Effect.withSpan(spanName(request), { kind: "server" }, { captureStackTrace: false }),
        Effect.provideService(References.CurrentLogAnnotations, logs),
        Effect.provideService(References.TracerSpanAnnotations, spans),
        Effect.provideService(Metric.CurrentMetricAttributes, metrics)
      )))
  })).pipe(Layer.provide(NodeHttpServer.layerHttpServices))

/** Forwards to the services of this process. */
export const layer = Layer.effect(Upstreams, Effect.gen(function*() {
  const services = yield* LocalServices
  return Upstreams.of({
    forward: (service, request, member) => {
      const answering = services.get(service)
      if (answering === undefined) return Effect.fail(new Unavailable({ retryAfterSeconds: 1, detail: `${service} is starting` }))
      return answering.pipe(
        Effect.provideService(HttpServerRequest.HttpServerRequest, request),
        Effect.provideService(VerifiedMember, member)
      )
    }
  })
}))
