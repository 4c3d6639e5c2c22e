import { Context, Effect, Layer, Tracer } from "effect"
import * as SpanRecord from "./SpanRecord.ts"

/** One trace in a list. */
export interface TraceSummary {
  readonly traceId: string
  /** Of its first span. */
  readonly name: string
  readonly service: string
  /** Milliseconds since 1970. */
  readonly start: number
  /** From the first start to the last end that is known, in milliseconds. */
  readonly duration: number
  readonly spans: number
  readonly failed: boolean
}

const summaryOf = (spans: ReadonlyArray<SpanRecord.SpanRecord>): ReadonlyArray<TraceSummary> => {
  const first = spans[0]
  return first === undefined ? [] : [{
    traceId: first.traceId,
    name: first.name,
    service: first.service,
    start: first.start,
    duration: spans.reduce((last, span) => Math.max(last, span.start + span.duration), first.start) - first.start,
    spans: spans.length,
    failed: spans.some((span) => span.status === "error")
  }]
}

/** The last traces of this process, or of all that send theirs here (`OtlpReceiver.ts`), in memory. */
export class TraceStore extends Context.Service<TraceStore, {
  /** Keeps a span. The same span again replaces the first: an exporter that lost the answer sends once more. */
  readonly record: (span: SpanRecord.SpanRecord) => void
  /** The spans that have ended, by start; none when the trace is unknown or was forgotten. */
  readonly trace: (traceId: string) => Effect.Effect<ReadonlyArray<SpanRecord.SpanRecord>>
  /** At most so many traces, those that were added to last first. */
  readonly recent: (limit: number) => Effect.Effect<ReadonlyArray<TraceSummary>>
}>()("@marketplace/telemetry/TraceStore") {
  /** Keeps 300 traces, 3000 spans at most. */
  static readonly layer = Layer.sync(TraceStore, () => make(300))
}

/**
 * Keeps at most so many traces, and ten times as many spans; whole traces are forgotten, those first to which nothing was
 * added for longest. Loops that look for work without finding any should not be traced: they push out everything else.
 */
export const make = (capacity: number): TraceStore["Service"] => {
  // In the order of the last addition.
  const traces = new Map<string, Map<string, SpanRecord.SpanRecord>>()
  let count = 0

  const spansOf = (spans: ReadonlyMap<string, SpanRecord.SpanRecord> | undefined) =>
    [...spans?.values() ?? []].sort((a, b) => a.start - b.start)

  return TraceStore.of({
    record: (span) => {
      const spans = traces.get(span.traceId) ?? new Map<string, SpanRecord.SpanRecord>()
      if (!spans.has(span.spanId)) count++
      spans.set(span.spanId, span)
      traces.delete(span.traceId)
      traces.set(span.traceId, spans)
      for (const [traceId, oldest] of traces) {
        if (traces.size <= capacity && count <= 10 * capacity) break
        traces.delete(traceId)
        count -= oldest.size
      }
    },
    trace: (traceId) => Effect.sync(() => spansOf(traces.get(traceId))),
    recent: (limit) =>
      Effect.sync(() => [...traces.values()].reverse().slice(0, limit).flatMap((spans) => summaryOf(spansOf(spans))))
  })
}

/**
 * Records the sampled spans of this process in the `TraceStore` when they end, and hands them on to the tracer that is
 * there already, if one is (an OTLP exporter). `service` is whose they are, unless `Telemetry.layerService` says otherwise.
 *
 * ```ts
 * TraceStore.layerTracer("marketplace").pipe(
 *   Layer.provideMerge(TraceStore.TraceStore.layer),
 *   Layer.provideMerge(Telemetry.layerConfig("marketplace"))
 * )
 * ```
 */
export const layerTracer = (service: string): Layer.Layer<never, never, TraceStore> =>
  Layer.effect(Tracer.Tracer, Effect.gen(function*() {
    const store = yield* TraceStore
    const tracer = yield* Tracer.Tracer
    return Tracer.make({
      ...tracer,
      span(options) {
        const span = tracer.span(options)
        if (!span.sampled) return span
        const { end } = span
        span.end = (endTime, exit) => {
          const again = span.status._tag === "Ended"
          end.call(span, endTime, exit)
          if (!again) store.record(SpanRecord.ofSpan(span, endTime, service))
        }
        return span
      }
    })
  }))
