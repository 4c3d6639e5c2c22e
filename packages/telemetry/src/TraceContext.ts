import { Context, Effect, Option, Tracer } from "effect"
import { Headers, HttpTraceContext } from "effect/http"

/**
 * The nearest span with real ids, from here upwards: where tracing is switched off, Effect puts placeholders between.
 */
export const nearest = (span: Tracer.AnySpan | undefined): Tracer.AnySpan | undefined => {
  while (span !== undefined && Context.get(span.annotations, Tracer.DisablePropagation)) {
    span = span._tag === "Span" ? Option.getOrUndefined(span.parent) : undefined
  }
  return span
}

/** W3C `traceparent` of the current span, to be kept beside what others continue later; undefined outside of any span. */
export const current: Effect.Effect<string | undefined> = Effect.withFiber((fiber) => {
  const span = nearest(fiber.cache.span)
  return Effect.succeed(
    span && `00-${span.traceId.padStart(32, "0")}-${span.spanId}-${span.sampled ? "01" : "00"}`
  )
})

/** The span that a `traceparent` names; undefined if there is none or it is not well-formed. */
export const parse = (traceparent: string | null | undefined): Tracer.ExternalSpan | undefined =>
  typeof traceparent === "string"
    ? Option.getOrUndefined(HttpTraceContext.w3c(Headers.fromInput({ traceparent })))
    : undefined

/**
 * Runs an effect in a span of kind `consumer` that continues the trace of whoever kept the `traceparent`, sampled if that
 * one was; without a usable `traceparent`, in a new trace. What the current fiber is doing is not its parent.
 */
export const withRemoteParent = (
  traceparent: string | null | undefined,
  name: string,
  options?: Omit<Tracer.SpanOptionsNoTrace, "parent" | "root">
) => {
  const parent = parse(traceparent)
  const all: Tracer.SpanOptions = {
    kind: "consumer",
    ...options,
    ...(parent === undefined ? { root: true } : { parent }),
    captureStackTrace: false
  }
  return <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, Tracer.ParentSpan>> =>
    Effect.withSpan(self, name, all)
}
