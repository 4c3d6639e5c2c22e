import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import * as TraceContext from "@marketplace/telemetry/TraceContext"

const remote = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

const spanUnder = (traceparent: string | null | undefined) =>
  Effect.withSpan(TraceContext.withRemoteParent(traceparent, "process")(Effect.currentSpan), "poll")

describe("TraceContext", () => {
  it.effect("is nothing outside of a span", () =>
    Effect.gen(function*() {
      assert.isUndefined(yield* TraceContext.current)
      assert.isUndefined(yield* Effect.withSpan(TraceContext.current, "off").pipe(Effect.withTracerEnabled(false)))
    }))

  it.effect("names the current span, past those that are switched off", () =>
    Effect.gen(function*() {
      const [traceparent, inner, span] = yield* Effect.all([
        TraceContext.current,
        Effect.withSpan(TraceContext.current, "off").pipe(Effect.withTracerEnabled(false)),
        Effect.currentSpan
      ]).pipe(Effect.withSpan("on"))
      assert.strictEqual(traceparent, `00-${span.traceId}-${span.spanId}-01`)
      assert.strictEqual(inner, traceparent)
    }))

  it.effect("continues a remote span as a consumer, and its sampling", () =>
    Effect.gen(function*() {
      for (const traceparent of [remote, remote.replace(/01$/, "00")]) {
        const span = yield* spanUnder(traceparent)
        assert.strictEqual(span.kind, "consumer")
        assert.strictEqual(span.traceId, remote.split("-")[1])
        assert.strictEqual(Option.getOrThrow(span.parent).spanId, remote.split("-")[2])
        assert.strictEqual(span.sampled, traceparent === remote)
      }
    }))

  it.effect("hands a remote span on where tracing is switched off", () =>
    Effect.gen(function*() {
      const inner = TraceContext.withRemoteParent(remote, "process")(TraceContext.current)
      assert.strictEqual(yield* Effect.withTracerEnabled(inner, false), remote)
    }))

  it.effect("begins a trace of its own without a usable traceparent", () =>
    Effect.gen(function*() {
      const invalid = [
        undefined, null, "", "nonsense", `${remote}-x`, `${remote}\r\nb3: 1`,
        remote.replace("0af7", "0AF7"), remote.replace(/^00/, "ff"), remote.replace("b7ad6b7169203331", "0000000000000000")
      ]
      for (const traceparent of invalid) {
        const span = yield* spanUnder(traceparent)
        assert.isTrue(Option.isNone(span.parent), String(traceparent))
        assert.notStrictEqual(span.traceId, remote.split("-")[1])
        assert.strictEqual(span.kind, "consumer")
      }
    }))
})
