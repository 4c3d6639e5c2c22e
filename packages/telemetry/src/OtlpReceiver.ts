import { ByteSize, Effect, Schema } from "effect"
import { HttpIncomingMessage, HttpRouter, HttpServerRequest, HttpServerRespondable, HttpServerResponse } from "effect/http"
import { Service } from "./Names.ts"
import * as SpanRecord from "./SpanRecord.ts"
import { TraceStore } from "./TraceStore.ts"

const Value = Schema.Struct({
  stringValue: Schema.optional(Schema.String),
  boolValue: Schema.optional(Schema.Boolean),
  // 64 bits: a string, as the JSON mapping has it, or a number.
  intValue: Schema.optional(Schema.Union([Schema.String, Schema.Finite])),
  doubleValue: Schema.optional(Schema.Union([Schema.Finite, Schema.String]))
})

const Attributes = Schema.Array(Schema.Struct({ key: Schema.String, value: Schema.optional(Value) }))

const Span = Schema.Struct({
  traceId: Schema.String.check(Schema.isPattern(/^[0-9a-f]{32}$/i)),
  spanId: Schema.String.check(Schema.isPattern(/^[0-9a-f]{16}$/i)),
  parentSpanId: Schema.optional(Schema.String),
  name: Schema.String,
  kind: Schema.optional(Schema.Finite),
  startTimeUnixNano: Schema.BigIntFromString,
  endTimeUnixNano: Schema.BigIntFromString,
  attributes: Schema.optional(Attributes),
  status: Schema.optional(Schema.Struct({ code: Schema.optional(Schema.Finite), message: Schema.optional(Schema.String) }))
})

/** What is read of OTLP's `ExportTraceServiceRequest`; the rest is ignored. */
const Traces = Schema.Struct({
  resourceSpans: Schema.optional(Schema.Array(Schema.Struct({
    resource: Schema.optional(Schema.Struct({ attributes: Schema.optional(Attributes) })),
    scopeSpans: Schema.optional(Schema.Array(Schema.Struct({ spans: Schema.optional(Schema.Array(Span)) })))
  })))
})

const entriesOf = (attributes: typeof Attributes.Type = []): ReadonlyArray<readonly [string, unknown]> =>
  attributes.map(({ key, value = {} }) => [
    key,
    value.stringValue ?? value.boolValue ?? (value.intValue === undefined ? value.doubleValue : Number(value.intValue))
  ])

const kinds = ["internal", "internal", "server", "client", "producer", "consumer"] as const

const recordOf = (span: typeof Span.Type, sender: string): SpanRecord.SpanRecord => {
  const attributes = SpanRecord.attributes(entriesOf(span.attributes))
  const own = attributes[Service.name]
  const failed = span.status?.code === 2
  return {
    traceId: span.traceId.toLowerCase(),
    spanId: span.spanId.toLowerCase(),
    parentSpanId: span.parentSpanId?.toLowerCase() || null,
    service: typeof own === "string" ? own : sender,
    name: SpanRecord.nameOf(span.name, attributes),
    kind: kinds[span.kind ?? 0] ?? "internal",
    start: SpanRecord.millis(span.startTimeUnixNano),
    duration: SpanRecord.millis(span.endTimeUnixNano - span.startTimeUnixNano),
    // Set by Effect's exporter.
    status: failed ? "error" : attributes["effect.fiber.interrupted"] === true ? "interrupted" : "ok",
    error: failed ? SpanRecord.errorText(span.status?.message ?? "") : null,
    attributes
  }
}

/**
 * A small stand-in for a collector, for one machine: processes of the platform export to it over OTLP/HTTP with
 * `OTEL_EXPORTER_OTLP_PROTOCOL=http/json`, and whoever wants to see a trace asks here. Keeps traces only.
 *
 * * `POST /v1/traces`; `POST /v1/metrics` and `/v1/logs` are accepted and dropped. Other encodings get 415.
 * * `GET /traces/{traceId}`: the spans of a trace that have arrived, a list of `SpanRecord`.
 * * `GET /traces`: the last hundred traces, a list of `TraceSummary`.
 *
 * Asks nobody who he is: bind it to the loopback interface. The process that serves it must not export to itself.
 */
export const layer = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const store = yield* TraceStore
  const accepted = HttpServerResponse.jsonUnsafe({})

  const receive = Effect.gen(function*() {
    const { resourceSpans = [] } = yield* HttpServerRequest.schemaBodyJson(Traces)
    for (const { resource, scopeSpans = [] } of resourceSpans) {
      const name = Object.fromEntries(entriesOf(resource?.attributes))[Service.name]
      for (const { spans = [] } of scopeSpans) {
        for (const span of spans) store.record(recordOf(span, typeof name === "string" ? name : "unknown"))
      }
    }
    return accepted
  }).pipe(
    Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.mebibytes(16)),
    Effect.catch((error) => HttpServerRespondable.toResponseOrElse(error, HttpServerResponse.empty({ status: 400 })))
  )

  const asJson = (handler: typeof receive) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers }) =>
      headers["content-type"]?.startsWith("application/json") === true
        ? handler
        : Effect.succeed(HttpServerResponse.empty({ status: 415 })))

  yield* router.add("POST", "/v1/traces", asJson(receive))
  yield* router.add("POST", "/v1/metrics", accepted)
  yield* router.add("POST", "/v1/logs", accepted)
  yield* router.add("GET", "/traces", Effect.map(store.recent(100), (traces) => HttpServerResponse.jsonUnsafe(traces)))
  yield* router.add("GET", "/traces/:traceId", Effect.flatMap(HttpRouter.params, ({ traceId = "" }) =>
    Effect.map(store.trace(traceId), (spans) => HttpServerResponse.jsonUnsafe(spans))))
}))
