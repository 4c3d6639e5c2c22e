import { ConfigProvider, Effect, Layer, Tracer, Logger } from "effect"
import * as TraceStore from "@marketplace/telemetry/TraceStore"
import * as Telemetry from "@marketplace/telemetry/Telemetry"
import * as Redaction from "@marketplace/telemetry/Redaction"
const N = 100_000
const body = Effect.sync(() => 1)
const run = async (label: string, e: Effect.Effect<unknown>, layer: Layer.Layer<any, any>, n = N) => {
  const loop = Effect.gen(function*() { for (let i = 0; i < n; i++) yield* e })
  await Effect.runPromise(Effect.gen(function*() {
    yield* loop
    const t = performance.now(); yield* loop; const d = performance.now() - t
    console.error(label.padEnd(40), (d * 1e6 / n).toFixed(0), "ns/op")
  }).pipe(Effect.provide(layer)) as any)
}
const env = (env: Record<string,string>) => Layer.provide(Telemetry.layerConfig("b"), ConfigProvider.layer(ConfigProvider.fromEnv({ env: { LOG_FORMAT: "json", ...env } })))
const span = Effect.withSpan(body, "x", { attributes: { "marketplace.order.id": "0198-aaa", "db.query.text": "select a, b, c from orders where id = $1 and version = $2" } })
for (let k = 0; k < 2; k++) {
await run("bare", body, Layer.empty)
await run("native", span, Layer.empty)
await run("layerConfig", span, env({}))
await run("disabled", Effect.withTracerEnabled(span, false), env({}))
await run("TraceStore", span, TraceStore.layerTracer("x").pipe(Layer.provide(TraceStore.TraceStore.layer), Layer.provideMerge(env({}))))
await run("TraceStore ratio 0", span, TraceStore.layerTracer("x").pipe(Layer.provide(TraceStore.TraceStore.layer), Layer.provideMerge(env({OTEL_TRACES_SAMPLER_ARG:"0"}))))
}
await run("log json", Effect.withSpan(Effect.logInfo("placed order for member"), "x").pipe(Effect.annotateLogs("marketplace.order.id", "0198")), env({}), 20000)
const data = { resourceSpans: [{ scopeSpans: [{ spans: Array.from({length: 1000}, (_, i) => ({ traceId: "a".repeat(32), spanId: "b".repeat(16), name: "x", attributes: Array.from({length: 12}, (_, j) => ({key: "http.k" + j, value: { stringValue: "select a, b, c from orders where id = $1" + j }})), events: [], status: {code: 1}, links: [] })) }] }] }
for (let k = 0; k < 3; k++) { const t = performance.now(); Redaction.message(data); console.error("redact 1000 spans", (performance.now() - t).toFixed(1), "ms") }
