import { Context, DateTime, Duration, Effect, Layer, Option, type Redacted } from "effect"
import { SecureRandom } from "effect/crypto"
import { SessionId } from "@marketplace/domain/User/Ids"
import { type Email, LoginRefused } from "@marketplace/domain/User/Member"
import type { Session } from "@marketplace/domain/User/Session"
import { accessTokenLifetime } from "@marketplace/service/Tokens"
import { MemberRepository } from "./Members/Repository.ts"
import { Passwords, type TooBusy } from "./Passwords.ts"
import { SessionRepository } from "./Sessions/Repository.ts"
import { Settings } from "./Settings.ts"

/** Log-ins. */
export class Sessions extends Context.Service<Sessions, {
  /** Wrong password, unknown address and disabled member look the same, in the answer and in its time. */
  readonly logIn: (email: Email, password: Redacted.Redacted) => Effect.Effect<Session, LoginRefused | TooBusy>
  readonly logOut: (id: SessionId) => Effect.Effect<void>
  readonly isActive: (id: SessionId) => Effect.Effect<boolean>
  /** Those of which access tokens may still be around. */
  readonly recentlyRevoked: Effect.Effect<ReadonlyArray<SessionId>>
}>()("@marketplace/user/Sessions") {
  static readonly layer = Layer.effect(Sessions, Effect.gen(function*() {
    const members = yield* MemberRepository
    const passwords = yield* Passwords
    const sessions = yield* SessionRepository
    const random = yield* SecureRandom.SecureRandom
    const { sessionLifetime } = yield* Settings

    return Sessions.of({
      logIn: Effect.fn("Sessions.logIn")(function*(email, password) {
        const found = yield* members.byEmail(email)
        const right = yield* passwords.check(password, Option.getOrUndefined(found)?.passwordHash)
        if (!right || Option.isNone(found) || found.value.member.status !== "ACTIVE") {
          yield* Effect.logInfo("log-in refused")
          return yield* new LoginRefused()
        }
        return yield* sessions.open({
          id: SessionId.make(yield* random.uuidV7()),
          memberId: found.value.member.id,
          lifetime: sessionLifetime
        })
      }),
      logOut: Effect.fn("Sessions.logOut")(sessions.revoke),
      isActive: Effect.fn("Sessions.isActive")(function*(id) {
        const session = yield* Effect.option(sessions.find(id))
        const now = yield* DateTime.now
        return Option.isSome(session) && session.value.revokedAt === null && DateTime.isLessThan(now, session.value.expiresAt)
      }),
      recentlyRevoked: sessions.revokedWithin(Duration.sum(accessTokenLifetime, Duration.minutes(1)))
    })
  }))
}
