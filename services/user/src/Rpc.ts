import { Effect } from "effect"
import { UserRpc } from "@marketplace/schema/User/Rpc"
import { Sessions } from "./Sessions.ts"

/** Procedures for the other services. */
export const Rpc = UserRpc.toLayer(Effect.gen(function*() {
  const sessions = yield* Sessions
  return UserRpc.of({
    "User.RevokedSessions": () => sessions.recentlyRevoked,
    "User.SessionStanding": ({ sessionId }) =>
      Effect.map(sessions.isActive(sessionId), (active) => active ? "ACTIVE" as const : "ENDED" as const)
  })
}))
