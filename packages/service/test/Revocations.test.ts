import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { SessionId } from "@marketplace/domain/User/Ids"
import { UserRpc } from "@marketplace/schema/User/Rpc"
import { UserClient } from "@marketplace/service/Clients"
import { Health } from "@marketplace/service/Health"
import { Revocations } from "@marketplace/service/Revocations"
import { contracts, layerServerLocal } from "@marketplace/service/Rpc"
import { LocalRpc } from "@marketplace/service/Rpc/LocalRpc"

const session = (n: number) => SessionId.make(`01900000-0000-7000-8000-00000000000${n}`)
const one = session(1)
const two = session(2)

/** The user service as others see it. */
class User extends Context.Service<User, { ended: ReadonlyArray<SessionId>; answering: boolean; asked: number }>()("test/User") {
  static readonly layer = Layer.sync(User, () => ({ ended: [one], answering: true, asked: 0 }))
}

const handlers = UserRpc.toLayer(Effect.gen(function*() {
  const user = yield* User
  const answer = <A>(result: () => A) =>
    Effect.suspend(() => user.answering ? Effect.sync(result) : Effect.die(new Error("no database")))
  return UserRpc.of({
    "User.RevokedSessions": () => answer(() => user.ended),
    "User.SessionStanding": ({ sessionId }) =>
      answer(() => {
        user.asked += 1
        return user.ended.includes(sessionId) ? "ENDED" : "ACTIVE"
      })
  })
}))

const revocations = Revocations.layerPolling.pipe(
  Layer.provide(UserClient.layerLocal("gateway")),
  Layer.provideMerge(Health.layer)
)

const test = (what: string, effect: Effect.Effect<void, unknown, Revocations | Health | User>) =>
  it.effect(what, () =>
    effect.pipe(Effect.provide(revocations.pipe(
      Layer.provideMerge(Layer.provide(layerServerLocal(contracts.user), handlers)),
      Layer.provide(LocalRpc.layer),
      Layer.provideMerge(User.layer)
    ))))

const isRevoked = (id: SessionId) => Revocations.use((revocations) => revocations.isRevoked(id))

describe("Revocations", () => {
  test("knows what had ended before, and within a second what ends now", Effect.gen(function*() {
    const user = yield* User
    yield* TestClock.adjust(0)
    assert.deepStrictEqual([yield* isRevoked(one), yield* isRevoked(two)], [true, false])
    user.ended = [two]
    yield* TestClock.adjust("1 second")
    assert.deepStrictEqual([yield* isRevoked(one), yield* isRevoked(two)], [false, true])
    assert.strictEqual(user.asked, 0)
  }))

  test("believes its list for four seconds, then asks for each session and lets nobody in unasked", Effect.gen(function*() {
    const user = yield* User
    yield* TestClock.adjust(0)
    user.answering = false
    yield* TestClock.adjust("4 seconds")
    assert.deepStrictEqual([yield* isRevoked(one), yield* isRevoked(two)], [true, false])
    assert.strictEqual(user.asked, 0)

    yield* TestClock.adjust("1 millis")
    const refused = yield* Effect.flip(isRevoked(two))
    assert.deepStrictEqual([refused._tag, refused.status, refused.retryAfterSeconds], ["Unavailable", 503, 1])

    // Between two polls.
    user.answering = true
    assert.deepStrictEqual([yield* isRevoked(one), yield* isRevoked(two)], [true, false])
    assert.strictEqual(user.asked, 2)

    yield* TestClock.adjust("1 second")
    assert.deepStrictEqual([yield* isRevoked(one), yield* isRevoked(two)], [true, false])
    assert.strictEqual(user.asked, 2)
  }))

  it.effect("is not ready before it has loaded, but does not wait for the service in the same process", () =>
    Effect.gen(function*() {
      const { report } = yield* Health
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* report, { ready: false, checks: { revocations: "down" } })

      yield* Layer.build(Layer.provide(layerServerLocal(contracts.user), handlers))
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* report, { ready: true, checks: { revocations: "up" } })
      assert.isTrue(yield* isRevoked(one))

      const user = yield* User
      user.answering = false
      yield* TestClock.adjust("1 minute")
      assert.isTrue((yield* report).ready)
    }).pipe(Effect.provide(revocations.pipe(Layer.provideMerge(LocalRpc.layer), Layer.provideMerge(User.layer)))))
})
