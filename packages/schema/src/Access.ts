import { Context, Schema } from "effect"
import { HttpApiMiddleware, HttpApiSecurity } from "effect/http-api"
import { RpcMiddleware } from "effect/rpc"
import type { MemberId, SessionId } from "@marketplace/domain/User/Ids"
import { Forbidden, Unauthenticated, Unavailable } from "./Problems.ts"

/** A buyer, who may also work for enterprises. */
export class Member extends Context.Service<Member, { readonly memberId: MemberId; readonly sessionId: SessionId }>()(
  "@marketplace/schema/Member"
) {}

/**
 * Who may call is part of an operation's contract: the middleware both refuses everybody else and provides the caller.
 * A handler that asks for `Member` in a group without `MemberOnly` does not compile into a service.
 * Whether the caller may touch this object is the rule's question.
 */
export class MemberOnly extends HttpApiMiddleware.Service<MemberOnly, { provides: Member }>()(
  "@marketplace/schema/MemberOnly",
  { requiredForClient: true, security: { bearer: HttpApiSecurity.bearer }, error: [Unauthenticated, Forbidden, Unavailable] }
) {}

/** The names that services sign their calls with; the `sub` of a service token. */
export const ServiceName = Schema.Literals(["user", "product", "order", "payment", "gateway"])
export type ServiceName = typeof ServiceName.Type

/** The service that calls a procedure. */
export class CallingService extends Context.Service<CallingService, { readonly name: ServiceName }>()(
  "@marketplace/schema/CallingService"
) {}

/** The call carries no valid service token for this service. */
export class ServiceRefused extends Schema.TaggedError<ServiceRefused>()("ServiceRefused", { reason: Schema.String }) {}

/** Procedures are for the platform's own services: each call carries a token signed by its caller for this callee. */
export class ServiceOnly extends RpcMiddleware.Service<ServiceOnly, { provides: CallingService }>()(
  "@marketplace/schema/ServiceOnly",
  { error: ServiceRefused, requiredForClient: true }
) {}
