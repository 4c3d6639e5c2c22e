import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Fiber, Layer, Redacted } from "effect"
import * as TestClock from "effect/testing/TestClock"
import type { SpanRecord } from "@marketplace/telemetry/SpanRecord"
import * as Telemetry from "@marketplace/telemetry/Telemetry"
import * as TraceContext from "@marketplace/telemetry/TraceContext"
import * as TraceStore from "@marketplace/telemetry/TraceStore"

const layer = TraceStore.layerTracer("order").pipe(Layer.provideMerge(TraceStore.TraceStore.layer))

const traceOf = (traceparent: string) => TraceStore.TraceStore.use((store) => store.trace(traceparent.split("-")[1] ?? ""))

const named = (spans: ReadonlyArray<SpanRecord>, name: string) => spans.find((span) => span.name === name)!

describe("TraceStore", () => {
  it.effect("keeps a trace across processes that only hand a traceparent on", () =>
    Effect.gen(function*() {
      const traceparent = yield* Effect.gen(function*() {
        yield* TestClock.adjust("5 millis")
        return yield* Effect.andThen(TestClock.adjust("20 millis"), TraceContext.current).pipe(
          Effect.withSpan("insert", { kind: "client", attributes: { "marketplace.order.id": "o-1" } })
        )
      }).pipe(Effect.withSpan("POST", { kind: "server" }))
      assert.match(traceparent!, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)

      yield* TestClock.adjust("1 second")
      yield* Effect.fail("stale" as const).pipe(
        TraceContext.withRemoteParent(traceparent, "process OrderCreated"),
        Effect.withSpan("poll"),
        Effect.ignore
      )

      const spans = yield* traceOf(traceparent!)
      assert.deepStrictEqual(spans.map(({ name }) => name), ["POST", "insert", "process OrderCreated"])
      const [post, insert, process] = [named(spans, "POST"), named(spans, "insert"), named(spans, "process OrderCreated")]
      assert.deepStrictEqual([post.parentSpanId, insert.parentSpanId, process.parentSpanId], [null, post.spanId, insert.spanId])
      assert.deepStrictEqual([post.kind, insert.kind, process.kind], ["server", "client", "consumer"])
      assert.deepStrictEqual([post.start, post.duration, insert.start, insert.duration, process.start], [0, 25, 5, 20, 1025])
      assert.deepStrictEqual([post.status, process.status, process.error], ["ok", "error", "stale"])
      assert.deepStrictEqual(insert.attributes, { "marketplace.order.id": "o-1" })
    }).pipe(Effect.provide(layer)))

  it.effect("hands spans on to the tracer that is there, and follows its sampling", () =>
    Effect.gen(function*() {
      const inner = TraceStore.make(10)
      const kept = yield* Effect.withSpan(TraceContext.current, "kept").pipe(
        Effect.provide(TraceStore.layerTracer("outer").pipe(
          Layer.provideMerge(TraceStore.TraceStore.layer),
          Layer.provideMerge(TraceStore.layerTracer("inner").pipe(Layer.provide(Layer.succeed(TraceStore.TraceStore, inner))))
        ))
      )
      assert.strictEqual((yield* inner.trace(kept!.split("-")[1]!))[0]?.service, "inner")

      const none = ConfigProvider.layer(ConfigProvider.fromEnv({ env: { OTEL_TRACES_SAMPLER_ARG: "0", LOG_LEVEL: "none" } }))
      yield* Effect.gen(function*() {
        const dropped = yield* Effect.withSpan(TraceContext.current, "dropped")
        assert.match(dropped!, /-00$/)
        assert.deepStrictEqual(yield* traceOf(dropped!), [])
        const sampled = dropped!.replace(/00$/, "01")
        yield* Effect.void.pipe(TraceContext.withRemoteParent(dropped, "follows"), Effect.withSpan("unrelated"))
        yield* Effect.void.pipe(TraceContext.withRemoteParent(sampled, "was decided elsewhere"))
        assert.deepStrictEqual((yield* traceOf(sampled)).map(({ name }) => name), ["was decided elsewhere"])
      }).pipe(Effect.provide(layer.pipe(Layer.provideMerge(Telemetry.layerConfig("order")), Layer.provide(none))))
    }))

  it.effect("tells interrupted work from failed work and hides secrets", () =>
    Effect.gen(function*() {
      const store = yield* TraceStore.TraceStore
      const fiber = yield* Effect.never.pipe(
        Effect.withSpan("waiting", {
          attributes: { secret: Redacted.make("canary"), token: "canary", "client.address": "10.0.0.1", n: 1n }
        }),
        Effect.forkChild({ startImmediately: true })
      )
      yield* Fiber.interrupt(fiber)
      yield* Effect.die(new Error("no\nroute to kim@example.kr")).pipe(Effect.withSpan("dying"), Effect.exit)
      const [dying, waiting] = yield* store.recent(10)
      assert.deepStrictEqual([dying?.failed, waiting?.failed], [true, false])
      assert.strictEqual((yield* store.trace(dying!.traceId))[0]?.error, "no\\nroute to <email>")
      const [span] = yield* store.trace(waiting!.traceId)
      assert.strictEqual(span?.status, "interrupted")
      assert.deepStrictEqual(span?.attributes, { secret: "<redacted>", token: "<redacted>", n: "1n" })
    }).pipe(Effect.provide(layer)))

  it.effect("is bounded in traces and in spans", () =>
    Effect.gen(function*() {
      const store = TraceStore.make(3)
      const span = (traceId: string, spanId: string): SpanRecord => ({
        traceId, spanId, parentSpanId: null, service: "s", name: traceId, kind: "internal",
        start: 0, duration: 1, status: "ok", error: null, attributes: {}
      })
      const kept = Effect.map(store.recent(10), (traces) => traces.map(({ spans, traceId }) => `${traceId}${spans}`))
      for (const traceId of ["a", "b", "c", "a", "d"]) store.record(span(traceId, "1"))
      assert.deepStrictEqual(yield* kept, ["d1", "a1", "c1"], "a repeated span counts once and keeps its trace")
      for (let i = 0; i < 29; i++) store.record(span("e", String(i)))
      assert.deepStrictEqual(yield* kept, ["e29", "d1"])
      store.record(span("e", "29"))
      assert.deepStrictEqual(yield* kept, ["e30"])
      store.record(span("e", "30"))
      assert.deepStrictEqual(yield* kept, [], "one trace larger than all that may be kept is forgotten, too")
      assert.deepStrictEqual(yield* store.recent(0), [])
    }))
})
