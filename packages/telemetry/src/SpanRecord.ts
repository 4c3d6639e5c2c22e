import { Cause, Formatter, Option, Schema, type Tracer } from "effect"
import { Http, Service } from "./Names.ts"
import * as Redaction from "./Redaction.ts"

/** A span that has ended, as it is kept and shown. */
export const SpanRecord = Schema.Struct({
  traceId: Schema.String,
  spanId: Schema.String,
  /** May be a span of another process, or of one that is not kept. */
  parentSpanId: Schema.NullOr(Schema.String),
  service: Schema.String,
  name: Schema.String,
  kind: Schema.Literals(["internal", "server", "client", "producer", "consumer"]),
  /** Milliseconds since 1970, with a fraction. */
  start: Schema.Finite,
  /** Milliseconds, with a fraction. */
  duration: Schema.Finite,
  status: Schema.Literals(["ok", "error", "interrupted"]),
  /** What went wrong, in one line. */
  error: Schema.NullOr(Schema.String),
  attributes: Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Finite, Schema.Boolean]))
})
export interface SpanRecord extends Schema.Schema.Type<typeof SpanRecord> {}

/** Nanoseconds since 1970 as milliseconds: a number holds today's microseconds exactly. */
export const millis = (nanos: bigint): number => Number(nanos / 1000n) / 1000

/** Attributes as they may be shown: bounded, without secrets and personal data. */
export const attributes = (entries: Iterable<readonly [string, unknown]>): SpanRecord["attributes"] => {
  const shown: Record<string, string | number | boolean> = {}
  for (const [key, given] of entries) {
    const isPlain = typeof given === "string" || typeof given === "boolean" || Number.isFinite(given)
    const value = Redaction.attribute(key, isPlain ? given : Formatter.format(given))
    if (typeof value === "string") shown[key] = value.slice(0, 2000)
    else if (typeof value === "number" || typeof value === "boolean") shown[key] = value
  }
  return shown
}

/** Effect names the span of a request by its method alone, because it begins before there is a route. */
export const nameOf = (name: string, { [Http.route]: route }: SpanRecord["attributes"]): string =>
  typeof route === "string" && !name.includes(route) ? `${name} ${route}` : name

/** In one line, bounded, without secrets. */
export const errorText = (message: string): string => Redaction.oneLine(Redaction.text(message)).slice(0, 500)

/** An ended span; `service` is who made it, if its attributes do not say so themselves. */
export const ofSpan = (span: Tracer.Span, endTime: bigint, service: string): SpanRecord => {
  const { status } = span
  const failed = status._tag === "Ended" && status.exit._tag === "Failure" ? status.exit.cause : undefined
  const interrupted = failed !== undefined && Cause.hasInterruptsOnly(failed)
  const [error] = failed === undefined || interrupted ? [] : Cause.prettyErrors(failed)
  const shown = attributes(span.attributes)
  const own = shown[Service.name]
  return {
    traceId: span.traceId.padStart(32, "0"),
    spanId: span.spanId,
    parentSpanId: Option.match(span.parent, { onNone: () => null, onSome: ({ spanId }) => spanId }),
    service: typeof own === "string" ? own : service,
    name: nameOf(span.name, shown),
    kind: span.kind,
    start: millis(status.startTime),
    duration: millis(endTime - status.startTime),
    status: interrupted ? "interrupted" : failed === undefined ? "ok" : "error",
    error: error === undefined ? null : errorText(error.message === "" ? error.name : error.message),
    attributes: shown
  }
}
