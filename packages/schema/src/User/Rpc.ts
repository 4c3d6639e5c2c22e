import { Schema } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"
import { SessionId } from "@marketplace/domain/User/Ids"
import { ServiceOnly } from "../Access.ts"

/** What user tells other services about sessions. */
export class UserRpc extends RpcGroup.make(
  /** Sessions that ended within the lifetime of an access token; who verifies tokens asks each second and refuses these. */
  Rpc.make("RevokedSessions", { success: Schema.Array(SessionId) }),
  Rpc.make("SessionStanding", { payload: { sessionId: SessionId }, success: Schema.Literals(["ACTIVE", "ENDED"]) })
).middleware(ServiceOnly).prefix("User.") {}
