import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Logger, Scope } from "effect"
import { HttpRouter, HttpServerRequest } from "effect/http"
import { TestClock } from "effect/testing"
import { Health, routes } from "../src/Health.ts"

const quiet = Layer.provideMerge(Health.layer, Logger.layer([]))

/** Answers are kept for a second. */
const later = TestClock.adjust("1 second")

describe("readiness", () => {
  it.effect("is every check's, until its owner is gone", () => Effect.gen(function*() {
    const health = yield* Health
    let database: Effect.Effect<void, string> = Effect.void
    yield* health.register("order.database", Effect.suspend(() => database))
    const scope = yield* Scope.make()
    yield* health.register("order.kafka", Effect.fail("broker 10.0.0.7 refused")).pipe(Scope.provide(scope))

    assert.deepStrictEqual(yield* health.report, { ready: false, checks: { "order.database": "up", "order.kafka": "down" } })
    yield* Scope.close(scope, Exit.void)
    yield* later
    assert.deepStrictEqual(yield* health.report, { ready: true, checks: { "order.database": "up" } })
    database = Effect.fail("gone")
    assert.isTrue((yield* health.report).ready)
    yield* later
    assert.deepStrictEqual(yield* health.report, { ready: false, checks: { "order.database": "down" } })
    database = Effect.die(new Error("a bug"))
    yield* later
    assert.isFalse((yield* health.report).ready)
  }).pipe(Effect.provide(quiet)))

  it.effect("does not wait for a check that hangs", () => Effect.gen(function*() {
    const health = yield* Health
    yield* health.register("slow", Effect.never)
    const report = yield* Effect.forkChild(health.report)
    yield* TestClock.adjust("2 seconds")
    assert.deepStrictEqual(report.pollUnsafe(), Exit.succeed({ ready: false, checks: { slow: "down" } as const }))
  }).pipe(Effect.provide(quiet)))

  it.effect("asks a check once, however many want to know", () => Effect.gen(function*() {
    const health = yield* Health
    let asked = 0
    yield* health.register("counted", Effect.sync(() => void asked++))
    yield* Effect.all(Array.from({ length: 20 }, () => health.report), { concurrency: "unbounded" })
    assert.strictEqual(asked, 1)
  }).pipe(Effect.provide(quiet)))

  it.effect("needs loops that succeed", () => Effect.gen(function*() {
    const health = yield* Health
    const succeeded = yield* health.registerLoop("relay", "1 minute")
    yield* TestClock.adjust("1 minute")
    assert.isTrue((yield* health.report).ready)
    yield* later
    assert.isFalse((yield* health.report).ready)
    yield* succeeded
    yield* later
    assert.isTrue((yield* health.report).ready)
  }).pipe(Effect.provide(quiet)))

  it.effect("ends when the process is about to stop, at once", () => Effect.gen(function*() {
    const health = yield* Health
    assert.isTrue((yield* health.report).ready)
    yield* health.stop
    assert.isFalse((yield* health.report).ready)
  }).pipe(Effect.provide(quiet)))

  it.effect("is 503 and tells names only", () => Effect.gen(function*() {
    const health = yield* Health
    yield* health.register("order.database", Effect.fail("postgres://user:secret@10.0.0.7 refused"))
    const answer = yield* HttpRouter.toHttpEffect(routes)
    const ask = (url: string) => {
      const request = HttpServerRequest.fromWeb(new Request(`http://localhost${url}`))
      return Effect.provideService(answer, HttpServerRequest.HttpServerRequest, request)
    }
    const ready = yield* ask("/health/ready")
    assert.strictEqual(ready.status, 503)
    assert.strictEqual(textOf(ready.body), "{\"ready\":false,\"checks\":{\"order.database\":\"down\"}}")
    assert.strictEqual((yield* ask("/health/live")).status, 200)
  }).pipe(Effect.provide(quiet)))
})

const textOf = (body: { readonly _tag: string; readonly text?: string | undefined }) =>
  body._tag === "Uint8Array" ? body.text : undefined
