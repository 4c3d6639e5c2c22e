import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Console, Effect, Layer, Metric, Schema } from "effect"
import { HttpClient, HttpRouter, HttpServer } from "effect/http"
import { HttpApi, HttpApiBuilder, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import * as TestClock from "effect/testing/TestClock"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as HttpMetrics from "@marketplace/telemetry/HttpMetrics"
import * as Metrics from "@marketplace/telemetry/Metrics"
import * as Names from "@marketplace/telemetry/Names"
import * as Prometheus from "@marketplace/telemetry/Prometheus"
import * as Telemetry from "@marketplace/telemetry/Telemetry"
import * as TraceStore from "@marketplace/telemetry/TraceStore"
import { capture } from "./captured.ts"

const serve = <E>(routes: Layer.Layer<never, E, HttpRouter.HttpRouter>) =>
  HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(Layer.provideMerge(NodeHttpServer.layerTest))

const metrics = Effect.flatMap(HttpClient.get("/metrics"), (response) =>
  Effect.map(response.text, (text) => ({ text, lines: text.split("\n"), type: response.headers["content-type"] })))

const Api = HttpApi.make("orders").add(HttpApiGroup.make("orders").add(
  HttpApiEndpoint.get("find", "/orders/:id", { params: { id: Schema.String }, success: Schema.String })
))

const Order = HttpApiBuilder.layer(Api).pipe(
  Layer.provide(HttpApiBuilder.group(Api, "orders", (handlers) =>
    handlers.handle("find", ({ params }) =>
      Effect.as(Effect.withSpan(Effect.logInfo("found"), "Orders.find"), params.id)))),
  Layer.provide(HttpMetrics.layer),
  Layer.provide([Telemetry.layerService("order"), HttpServer.layerServices])
)

const Plain = HttpRouter.add("GET", "/broken", Effect.die("broken")).pipe(Layer.provide(HttpMetrics.layer))

const fresh = Effect.provideService(Metric.MetricRegistry, new Map())

describe("Prometheus", () => {
  it.effect("tells every metric of the platform with its help, type, labels and buckets", () =>
    Effect.gen(function*() {
      yield* Metric.update(Metrics.outboxPending("order"), 3)
      yield* Metric.update(Metrics.outboxPublished("order"), 2)
      yield* Metric.update(Metrics.relayRound("order"), 0.004)
      yield* Metric.update(Metrics.eventAge("product", "OrderStatusChanged"), 0.03)
      yield* Metric.update(Metrics.eventAge("product", "OrderStatusChanged"), 7200)
      yield* Metric.update(Metrics.consumerEvents("product", "OrderStatusChanged", "duplicate"), 1)
      yield* Metric.update(Metrics.consumerLag("product", "order"), 5)
      yield* Metric.update(Metrics.deadLetters("product"), 0)
      yield* Metric.update(Metrics.sweeperClaimed("order.unfinished-checkouts"), 4)
      yield* Metric.update(Metrics.idempotencyReplays("orders.place"), 1)
      yield* Metric.update(Metrics.sharedCacheRequests("hit"), 2)
      yield* Metric.update(Metrics.sharedCacheRequests("miss"), 1)
      yield* Metric.update(Metrics.httpServer({})("GET", "/orders/:id", 200), 0.001)
      yield* Metric.update(Metrics.rpcClient("product", "ReserveStock", "ok"), 0.02)
      yield* TestClock.adjust("90 seconds")
      yield* Metrics.loopSucceeded("order.relay")

      const { lines, type } = yield* metrics
      assert.strictEqual(type, "text/plain; version=0.0.4; charset=utf-8")
      for (const name of Object.values(Names.Metric)) {
        assert.isTrue(lines.some((line) => line.startsWith(`# HELP ${name} `)), name)
        assert.isTrue(lines.some((line) => line.startsWith(`# TYPE ${name} `)), name)
      }
      for (const line of [
        "outbox_pending{context=\"order\"} 3",
        "outbox_published_total{context=\"order\"} 2",
        "relay_round_seconds_bucket{context=\"order\",le=\"0.005\"} 1",
        "event_age_seconds_bucket{consumer=\"product\",type=\"OrderStatusChanged\",le=\"0.025\"} 0",
        "event_age_seconds_bucket{consumer=\"product\",type=\"OrderStatusChanged\",le=\"0.05\"} 1",
        "event_age_seconds_bucket{consumer=\"product\",type=\"OrderStatusChanged\",le=\"3600\"} 1",
        "event_age_seconds_bucket{consumer=\"product\",type=\"OrderStatusChanged\",le=\"+Inf\"} 2",
        "consumer_events_total{consumer=\"product\",type=\"OrderStatusChanged\",outcome=\"duplicate\"} 1",
        "consumer_lag{consumer=\"product\",context=\"order\"} 5",
        "dead_letters{consumer=\"product\"} 0",
        "sweeper_claimed_total{sweeper=\"order.unfinished-checkouts\"} 4",
        "loop_last_success_timestamp_seconds{loop=\"order.relay\"} 90",
        "idempotency_replays_total{operation=\"orders.place\"} 1",
        "shared_cache_requests_total{outcome=\"hit\"} 2",
        "shared_cache_requests_total{outcome=\"miss\"} 1",
        "rpc_client_seconds_count{target=\"product\",method=\"ReserveStock\",outcome=\"ok\"} 1"
      ]) assert.include(lines, line)
    }).pipe(Effect.provide(serve(Prometheus.layer)), fresh))

  it.effect("measures requests under the templates of their routes", () =>
    Effect.gen(function*() {
      for (const path of ["/orders/1", "/orders/2", "/broken", "/nowhere"]) yield* HttpClient.get(path)
      const { lines, text } = yield* metrics
      const count = "http_server_request_seconds_count"
      assert.include(lines, `${count}{service="order",method="GET",route="/orders/:id",status="200"} 2`)
      assert.include(lines, `${count}{method="GET",route="/broken",status="500"} 1`)
      assert.notInclude(text, "nowhere")
    }).pipe(Effect.provide(serve(Layer.mergeAll(Order, Plain, Prometheus.layer))), fresh))
})

describe("layerService", () => {
  it.effect("tells the services of one process apart", () =>
    Effect.gen(function*() {
      const { console, out } = capture()
      yield* Effect.gen(function*() {
        yield* HttpClient.get("/orders/1?token=canary-token&code=canary-code&page=2")
        const store = yield* TraceStore.TraceStore
        const [trace] = yield* store.recent(10)
        const spans = yield* store.trace(trace!.traceId)
        assert.deepStrictEqual(
          spans.map(({ name, service }) => `${service} ${name}`).sort(),
          ["marketplace GET", "marketplace GET /orders/:id", "order Orders.find"]
        )
        assert.include(JSON.stringify(spans), "page=2")
        assert.notInclude(JSON.stringify(spans), "canary")
        const found = out.map((line) => JSON.parse(line)).find(({ message }) => message === "found")
        assert.deepStrictEqual([found.service, found.trace_id, found.attributes], ["order", trace!.traceId, undefined])
      }).pipe(
        Effect.provide(serve(Order).pipe(
          Layer.provideMerge(TraceStore.layerTracer("marketplace")),
          Layer.provideMerge(Layer.merge(TraceStore.TraceStore.layer, Telemetry.layerConfig("marketplace"))),
          Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: { LOG_FORMAT: "json" } })))
        )),
        Effect.provideService(Console.Console, console)
      )
    }))
})
