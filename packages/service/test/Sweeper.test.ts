import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Layer, Logger, Metric, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Metrics from "@marketplace/telemetry/Metrics"
import { Health } from "../src/Health.ts"
import * as Sweeper from "../src/Sweeper.ts"

const quiet = Layer.provideMerge(Health.layer, Logger.layer([]))

/** Lets the loop run until it waits: it gives way to others after each round. */
const settle = Effect.repeat(TestClock.adjust("1 millis"), { times: 20 })

/** The next turn is at most a tenth late. */
const turn = TestClock.adjust("11 seconds")

describe("a sweeper", () => {
  it.effect("goes on at once while there is a full batch, then waits for its turn", () => Effect.gen(function*() {
    let due = 25
    const taken: Array<number> = []
    yield* Sweeper.make({
      name: "batches",
      every: "10 seconds",
      batch: 10,
      sweep: (limit) =>
        Effect.sync(() => {
          const now = Math.min(limit, due)
          due -= now
          taken.push(now)
          return now
        })
    })
    yield* settle
    assert.deepStrictEqual(taken, [10, 10, 5])
    yield* TestClock.adjust("8 seconds")
    assert.deepStrictEqual(taken, [10, 10, 5])
    yield* turn
    assert.deepStrictEqual(taken.slice(0, 4), [10, 10, 5, 0])
    assert.strictEqual((yield* Metric.value(Metrics.sweeperClaimed("batches"))).count, 25)
    const now = yield* Clock.currentTimeMillis
    const { value: lastSuccess } = yield* Metric.value(Metrics.loopLastSuccess("batches"))
    assert.isAtLeast(lastSuccess, now / 1000 - 11)
  }).pipe(Effect.provide(quiet)))

  it.effect("is woken by who has made work, also while it sweeps", () => Effect.gen(function*() {
    let sweeps = 0
    let wakeSelf = Effect.void
    const { wake } = yield* Sweeper.make({
      name: "woken",
      every: "1 hour",
      batch: 10,
      sweep: () => Effect.suspend(() => {
        sweeps++
        return Effect.as(wakeSelf, 0)
      })
    })
    yield* settle
    assert.strictEqual(sweeps, 1)
    yield* wake
    yield* settle
    assert.strictEqual(sweeps, 2)
    wakeSelf = Effect.andThen(Effect.sync(() => wakeSelf = Effect.void), wake)
    yield* wake
    yield* settle
    assert.strictEqual(sweeps, 4)
  }).pipe(Effect.provide(quiet)))

  it.effect("outlives every failure, waits longer each time, and says that it is not well", () => Effect.gen(function*() {
    const health = yield* Health
    const bug = Effect.die(new Error("bug"))
    const failures: ReadonlyArray<Effect.Effect<number, string>> = [Effect.fail("no"), bug, Effect.interrupt]
    let broken = true
    let sweeps = 0
    yield* Sweeper.make({
      name: "stubborn",
      every: "10 seconds",
      batch: 10,
      sweep: () => Effect.suspend(() => {
        const failure = failures[sweeps++ % failures.length]!
        return broken ? failure : Effect.succeed(0)
      })
    })
    yield* TestClock.adjust("1 millis")
    assert.strictEqual(sweeps, 1)
    // After 1, 2, 4, 8, 16 and 30 seconds, give or take a tenth.
    yield* TestClock.adjust("1100 millis")
    assert.strictEqual(sweeps, 2)
    yield* TestClock.adjust("1 second")
    assert.strictEqual(sweeps, 2)
    yield* TestClock.adjust("34 seconds")
    assert.strictEqual(sweeps, 5 + 1)
    yield* TestClock.adjust("90 seconds")
    assert.deepStrictEqual(yield* health.report, { ready: false, checks: { stubborn: "down" } })
    broken = false
    yield* TestClock.adjust("33 seconds")
    assert.deepStrictEqual(yield* health.report, { ready: true, checks: { stubborn: "up" } })
    const before = sweeps
    yield* TestClock.adjust("1 minute")
    assert.isAtLeast(sweeps, before + 5)
  }).pipe(Effect.provide(quiet)))

  it.effect("stops with its scope", () => Effect.gen(function*() {
    const scope = yield* Scope.make()
    let sweeps = 0
    const sweep = () => Effect.sync(() => (sweeps++, 0))
    yield* Sweeper.make({ name: "scoped", every: "10 seconds", batch: 1, sweep }).pipe(Scope.provide(scope))
    yield* TestClock.adjust("1 millis")
    yield* Scope.close(scope, Exit.void)
    yield* TestClock.adjust("1 minute")
    assert.strictEqual(sweeps, 1)
    assert.deepStrictEqual((yield* Effect.flatMap(Health, (health) => health.report)).checks, {})
  }).pipe(Effect.provide(quiet)))
})
