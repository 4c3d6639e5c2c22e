import { Context, Effect, Layer, type Scope } from "effect"
import { type HttpServerError, HttpServerRequest, type HttpServerResponse } from "effect/http"
import type { Member } from "@marketplace/schema/Access"
import type { Unavailable } from "@marketplace/schema/Problems"
import type { EventContext } from "@marketplace/schema/Topology"
import { VerifiedMember } from "@marketplace/service/Callers"

type Response<E, R> = Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>

/** The services behind the gateway, in this process or on other machines. */
export class Upstreams extends Context.Service<Upstreams, {
  /** @param member who sends it, verified; undefined for a public operation */
  readonly forward: (service: EventContext, request: HttpServerRequest.HttpServerRequest, member: Member["Service"] | undefined) =>
    Response<Unavailable | HttpServerError.HttpServerError, Scope.Scope>
}>()("@marketplace/gateway/Upstreams") {
  /** In this process: no socket, and nothing verifies the caller again. */
  static readonly layerLocal = (
    services: Readonly<Record<EventContext, Response<HttpServerError.HttpServerError, Scope.Scope | HttpServerRequest.HttpServerRequest>>>
  ) =>
    Layer.succeed(Upstreams, Upstreams.of({
      forward: (service, request, member) =>
        services[service].pipe(
          Effect.provideService(HttpServerRequest.HttpServerRequest, request),
          member === undefined ? (forward) => forward : Effect.provideService(VerifiedMember, member)
        )
    }))
}
