import { Context, Duration, Effect, Layer } from "effect"
import type { SessionId } from "@marketplace/domain/User/Ids"
import { Unavailable } from "@marketplace/schema/Problems"
import { UserClient } from "./Clients.ts"
import { Health } from "./Health.ts"
import { monotonicMillis } from "@marketplace/events/MonotonicMillis"

const interval = Duration.seconds(1)

/** With the list older than this, each session is asked for. */
const silence = Duration.toMillis("4 seconds")

/** Sessions that ended while their access tokens are still good. */
export class Revocations extends Context.Service<Revocations, {
  /** Known within four seconds of the end. Unavailable: nobody can say. */
  readonly isRevoked: (session: SessionId) => Effect.Effect<boolean, Unavailable>
}>()("@marketplace/service/Revocations") {
  /**
   * Asks the user service every second for all of them, beginning at once; until the first answer, the process is not ready.
   * Building does not wait for it, because user itself may be part of this process.
   */
  static readonly layerPolling = Layer.effect(Revocations, Effect.gen(function*() {
    const user = yield* UserClient
    const health = yield* Health
    let revoked: ReadonlySet<SessionId> = new Set()
    let asOf = -Infinity

    const load = Effect.gen(function*() {
      const now = yield* monotonicMillis
      revoked = new Set(yield* user.RevokedSessions())
      asOf = now
    })
    // The client has told the log what is wrong.
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.ignore(load), Effect.sleep(interval))))

    // Ready stays ready: without user, what is for everybody can still be answered.
    yield* health.register("revocations", Effect.suspend(() =>
      asOf === -Infinity ? Effect.fail("the revoked sessions have not been loaded yet") : Effect.void))

    return Revocations.of({
      isRevoked: Effect.fnUntraced(function*(sessionId) {
        const now = yield* monotonicMillis
        if (now - asOf <= silence) return revoked.has(sessionId)
        return (yield* user.SessionStanding({ sessionId })) === "ENDED"
      }, Effect.catchTag("CalleeUnavailable", ({ retryAfterSeconds }) =>
        new Unavailable({ retryAfterSeconds, detail: "Whether you are still logged in cannot be found out right now" })))
    })
  }))
}
