import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Console, Effect, Layer, Logger, Metric, Redacted, Schedule, Schema } from "effect"
import { HttpBody, HttpClient, HttpClientResponse } from "effect/http"
import { HttpRouter, HttpServer, HttpServerRequest, HttpServerResponse } from "effect/http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Metrics from "@marketplace/telemetry/Metrics"
import * as OtlpReceiver from "@marketplace/telemetry/OtlpReceiver"
import { SpanRecord } from "@marketplace/telemetry/SpanRecord"
import * as Telemetry from "@marketplace/telemetry/Telemetry"
import * as TraceContext from "@marketplace/telemetry/TraceContext"
import { TraceStore } from "@marketplace/telemetry/TraceStore"
import * as TraceTree from "@marketplace/telemetry/TraceTree"
import { capture } from "./captured.ts"

const serve = <E>(routes: Layer.Layer<never, E, HttpRouter.HttpRouter>) =>
  HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(Layer.provideMerge(NodeHttpServer.layerTest))

/** Runs an effect as a process of that service would, and ends the process. */
const process = Effect.fnUntraced(function*<A>(service: string, env: Record<string, string>, effect: Effect.Effect<A>) {
  const endpoint = yield* HttpServer.addressFormattedWith(Effect.succeed)
  const provider = ConfigProvider.fromEnv({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, ...env } })
  return yield* effect.pipe(
    Effect.provide(Telemetry.layerConfig(service).pipe(Layer.provide(ConfigProvider.layer(provider)))),
    Effect.provideService(Console.Console, capture().console)
  )
})

const json = { OTEL_EXPORTER_OTLP_PROTOCOL: "http/json" }

interface Received {
  readonly path: string
  readonly type: string | undefined
  readonly key: string | undefined
  readonly body: string
}

/** A collector that keeps what it gets. */
const collector = (received: Array<Received>) =>
  serve(HttpRouter.add("POST", "/v1/*", Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    const { "content-type": type, "x-key": key } = request.headers
    received.push({ path: request.url, type, key, body: yield* request.text })
    return HttpServerResponse.jsonUnsafe({})
  }).pipe(Effect.orDie)))

const signals = (received: ReadonlyArray<Received>) => [...new Set(received.map(({ path }) => path))].sort()

const canaries = ["canary-redacted", "canary-url", "canary-token", "kim@example.kr", "203.0.113.9"]

const work = Effect.gen(function*() {
  assert.isAtMost((yield* Logger.CurrentLoggers).size, 2, "ours and the exporter's")
  yield* Metric.update(Metrics.outboxPending("order"), 7)
  yield* Effect.logInfo("mail to kim@example.kr", Redacted.make("canary-redacted")).pipe(
    Effect.annotateLogs("token", "canary-token")
  )
  yield* Effect.die(new Error("postgres://app:canary-url@db/order is away")).pipe(
    Effect.withSpan("query", { attributes: { secret: Redacted.make("canary-redacted"), "client.address": "203.0.113.9" } }),
    Effect.exit
  )
}).pipe(Effect.withSpan("place"))

describe("OtlpReceiver", () => {
  it.live("shows one trace of what several processes export", () =>
    Effect.gen(function*() {
      const traceparent = yield* process("gateway", json, TraceContext.current.pipe(Effect.withSpan("POST", { kind: "server" })))
      yield* process("order", json, Effect.interrupt.pipe(
        Effect.withSpan("settle", { attributes: { "messaging.batch.message_count": 3, password: "canary", ratio: 0.5 } }),
        Effect.exit,
        TraceContext.withRemoteParent(traceparent, "process OrderCreated")
      ))
      const traceId = traceparent!.split("-")[1]!
      const spans = yield* HttpClient.get(`/traces/${traceId}`).pipe(
        Effect.flatMap(HttpClientResponse.schemaBodyJson(Schema.Array(SpanRecord)))
      )
      assert.deepStrictEqual(
        TraceTree.render(spans).split("\n").map((line) => line.split(/ +\+/)[0]),
        ["gateway  POST  [server]", "  order  process OrderCreated  [consumer]", "    order  settle  [internal]"]
      )
      const settle = spans.find(({ name }) => name === "settle")
      assert.strictEqual(settle?.status, "interrupted")
      assert.deepStrictEqual(settle?.attributes, {
        "messaging.batch.message_count": 3,
        password: "<redacted>",
        ratio: 0.5,
        "effect.fiber.interrupted": true
      })
      const list = yield* Effect.flatMap(HttpClient.get("/traces"), (response) => response.json)
      assert.isTrue(Array.isArray(list) && list.length === 1 && list[0].traceId === traceId && list[0].spans === 3)
    }).pipe(Effect.provide(serve(OtlpReceiver.layer.pipe(Layer.provide(TraceStore.layer))))))

  it.live("refuses what it cannot read and knows nothing of unknown traces", () =>
    Effect.gen(function*() {
      const client = yield* HttpClient.HttpClient
      const post = (path: string, body: string, type = "application/json") =>
        Effect.map(client.post(path, { body: HttpBody.text(body, type) }), ({ status }) => status)
      assert.strictEqual(yield* post("/v1/traces", "{"), 400)
      const incomplete = { resourceSpans: [{ scopeSpans: [{ spans: [{ traceId: "x" }] }] }] }
      assert.strictEqual(yield* post("/v1/traces", JSON.stringify(incomplete)), 400)
      assert.strictEqual(yield* post("/v1/traces", "x", "application/x-protobuf"), 415)
      assert.strictEqual(yield* post("/v1/traces", "{}"), 200)
      assert.strictEqual(yield* post("/v1/metrics", "{}"), 200)
      assert.strictEqual(yield* post("/v1/logs", "{}"), 200)
      const unknown = yield* client.get("/traces/0af7651916cd43dd8448eb211c80319c")
      assert.deepStrictEqual([unknown.status, yield* unknown.json], [200, []])
    }).pipe(Effect.provide(serve(OtlpReceiver.layer.pipe(Layer.provide(TraceStore.layer))))))
})

describe("layerConfig", () => {
  it.live("exports traces, metrics and logs when there is an endpoint, without secrets", () =>
    Effect.gen(function*() {
      const received: Array<Received> = []
      yield* process("order", {
        ...json,
        OTEL_EXPORTER_OTLP_HEADERS: "x-key=k1",
        OTEL_SERVICE_NAME: "orders",
        OTEL_SERVICE_VERSION: "1.2.3",
        OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test"
      }, work).pipe(Effect.provide(collector(received)))
      assert.deepStrictEqual(signals(received), ["/v1/logs", "/v1/metrics", "/v1/traces"])
      for (const { body, key, type } of received) {
        assert.strictEqual(type, "application/json")
        assert.strictEqual(key, "k1")
        for (const canary of canaries) assert.notInclude(body, canary)
        const { resourceLogs, resourceMetrics, resourceSpans } = JSON.parse(body)
        const attributes: ReadonlyArray<{ key: string; value: { stringValue: string } }> =
          (resourceLogs ?? resourceMetrics ?? resourceSpans)[0].resource.attributes
        const resource = Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue]))
        assert.strictEqual(resource["service.name"], "orders")
        assert.strictEqual(resource["service.version"], "1.2.3")
        assert.match(resource["service.instance.id"]!, /^[0-9a-f-]{36}$/)
        assert.strictEqual(resource["deployment.environment.name"], "test")
      }
      const of = (path: string) => received.filter((one) => one.path === path).map(({ body }) => body).join("\n")
      assert.include(of("/v1/metrics"), "outbox_pending")
      assert.include(of("/v1/traces"), "postgres://<redacted>@db/order is away")
      assert.include(of("/v1/logs"), "mail to <email>")
      const [log] = JSON.parse(of("/v1/logs")).resourceLogs[0].scopeLogs[0].logRecords
      const spans = JSON.parse(of("/v1/traces")).resourceSpans[0].scopeSpans[0].spans
      assert.strictEqual(log.traceId, spans[0].traceId)
    }))

  it.live("speaks protobuf by default, and leaves out what is switched off", () =>
    Effect.gen(function*() {
      const sent = Effect.fnUntraced(function*(env: Record<string, string>) {
        const received: Array<Received> = []
        yield* process("order", env, work).pipe(Effect.provide(collector(received)))
        for (const { type } of received) assert.strictEqual(type, "application/x-protobuf")
        return signals(received)
      })
      assert.deepStrictEqual(yield* sent({}), ["/v1/logs", "/v1/metrics", "/v1/traces"])
      assert.deepStrictEqual(yield* sent({ OTEL_METRICS_EXPORTER: "none", OTEL_LOGS_EXPORTER: "none" }), ["/v1/traces"])
      assert.deepStrictEqual(yield* sent({ OTEL_TRACES_SAMPLER_ARG: "0" }), ["/v1/logs", "/v1/metrics"])
      assert.deepStrictEqual(yield* sent({ OTEL_SDK_DISABLED: "true" }), [])
      assert.deepStrictEqual(yield* sent({ OTEL_EXPORTER_OTLP_ENDPOINT: "" }), [])
    }))

  it.live("gives up on a collector that does not answer, and asks again", () =>
    Effect.gen(function*() {
      let asked = 0
      const silent = serve(HttpRouter.add("POST", "/v1/traces", Effect.andThen(Effect.sync(() => asked++), Effect.never)))
      const env = {
        OTEL_METRICS_EXPORTER: "none",
        OTEL_LOGS_EXPORTER: "none",
        OTEL_EXPORTER_OTLP_TIMEOUT: "50",
        OTEL_BSP_SCHEDULE_DELAY: "10"
      }
      yield* process("order", env, Effect.andThen(
        Effect.withSpan(Effect.void, "place"),
        Effect.suspend(() => asked >= 2 ? Effect.void : Effect.fail("was asked once")).pipe(
          Effect.retry(Schedule.spaced("20 millis").pipe(Schedule.upTo({ times: 500 }))),
          Effect.orDie
        )
      )).pipe(Effect.provide(silent))
      assert.isAtLeast(asked, 2)
    }))
})
