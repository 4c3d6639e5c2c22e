import { Context, type Effect, type Scope } from "effect"
import type { HttpServerError, HttpServerRequest, HttpServerResponse } from "effect/http"
import type { Member } from "@marketplace/schema/Access"
import type { Unavailable } from "@marketplace/schema/Problems"
import type { EventContext } from "@marketplace/schema/Topology"

/** The services behind the gateway, in this process or on other machines. */
export class Upstreams extends Context.Service<Upstreams, {
  /** @param member who sends it, verified; undefined for a public operation */
  readonly forward: (
    service: EventContext,
    request: HttpServerRequest.HttpServerRequest,
    member: Member["Service"] | undefined
  ) => Effect.Effect<HttpServerResponse.HttpServerResponse, Unavailable | HttpServerError.HttpServerError, Scope.Scope>
}>()("@marketplace/gateway/Upstreams") {}
