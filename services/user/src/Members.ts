import { Context, Effect, Layer, Option, type Redacted } from "effect"
import type { SqlError } from "effect/sql"
import type { MemberId } from "@marketplace/domain/User/Ids"
import { createVerified, type Email } from "@marketplace/domain/User/Member"
import { type Kept, MemberRepository } from "./Members/Repository.ts"
import { Passwords, type TooBusy } from "./Passwords.ts"

/** Buyers. */
export class Members extends Context.Service<Members, {
  /** Adds members whose addresses are known to be theirs; one who is there already stays as he is. */
  readonly addVerified: (
    members: ReadonlyArray<{ readonly id: MemberId; readonly email: Email; readonly name: string }>,
    password: Redacted.Redacted
  ) => Effect.Effect<void, TooBusy>
  readonly get: (id: MemberId) => Effect.Effect<Option.Option<Kept>>
  /** In the caller's transaction: an order of each of the members is placed; who is named twice placed two. */
  readonly countPurchases: (ids: ReadonlyArray<MemberId>) => Effect.Effect<void, SqlError.SqlError>
}>()("@marketplace/user/Members") {
  static readonly layer = Layer.effect(Members, Effect.gen(function*() {
    const repository = yield* MemberRepository
    const passwords = yield* Passwords
    return Members.of({
      addVerified: Effect.fn("Members.addVerified")(function*(members, password) {
        const missing = yield* Effect.filter(members, ({ id }) => Effect.map(repository.byId(id), Option.isNone))
        if (missing.length === 0) return
        const hash = yield* passwords.hash(password)
        yield* Effect.forEach(missing, (member) => repository.insert(createVerified(member), hash), { discard: true })
      }),
      get: Effect.fn("Members.get")(repository.byId),
      countPurchases: Effect.fn("Members.countPurchases")(repository.countPurchases)
    })
  }))
}
