import { Context, Effect, Layer, type Redacted } from "effect"
import { Member, MemberOnly } from "@marketplace/schema/Access"
import { Unauthenticated, type Unavailable } from "@marketplace/schema/Problems"
import { Revocations } from "./Revocations.ts"
import { TokenVerifier } from "./Tokens.ts"

/** Finds out who calls. */
export class Callers extends Context.Service<Callers, {
  /** Unavailable: whether the session has ended cannot be found out, so nobody is let in. */
  readonly verify: (token: Redacted.Redacted) => Effect.Effect<Member["Service"], Unauthenticated | Unavailable>
}>()("@marketplace/service/Callers") {
  static readonly layer = Layer.effect(Callers, Effect.gen(function*() {
    const tokens = yield* TokenVerifier
    const revocations = yield* Revocations
    return Callers.of({
      verify: Effect.fn("Callers.verify")(function*(token) {
        const { memberId, sessionId } = yield* tokens.verify(token)
        if (yield* revocations.isRevoked(sessionId)) return yield* new Unauthenticated({})
        return { memberId, sessionId }
      })
    })
  }))
}

/**
 * Who the gateway of this process has verified; undefined for a request that came in through a socket. It is set on a fiber,
 * which no header can do.
 */
export const VerifiedMember = Context.Reference<Member["Service"] | undefined>("@marketplace/service/VerifiedMember", {
  defaultValue: () => undefined
})

/** Guards the operations of members. */
export const layerGuards = Layer.effect(MemberOnly, Effect.gen(function*() {
  const callers = yield* Callers
  return MemberOnly.of({
    bearer: Effect.fnUntraced(function*(operation, { credential }) {
      const member = (yield* VerifiedMember) ?? (yield* callers.verify(credential))
      return yield* Effect.provideService(operation, Member, member)
    })
  })
}))
