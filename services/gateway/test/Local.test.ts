import { assert, layer } from "@effect/vitest"
import { Config, Effect, Layer, Logger } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { Member } from "@marketplace/schema/Access"
import { OrderApi, OrderUnknown } from "@marketplace/schema/Order/HttpApi"
import { ProductApi } from "@marketplace/schema/Product/HttpApi"
import { Callers, layerGuards } from "@marketplace/service/Callers"
import { Health } from "@marketplace/service/Health"
import * as InvalidRequests from "@marketplace/service/InvalidRequests"
import * as SharedAnswers from "@marketplace/service/SharedAnswers"
import { keySetRoute } from "@marketplace/service/Tokens"
import * as Telemetry from "@marketplace/telemetry/Telemetry"
import * as Gateway from "../src/Service.ts"
import * as LocalUpstreams from "../src/Upstreams/Local.ts"
import { authorization, call, callers, endedSession, memberId, settings, spans, tracer } from "./World.ts"

/** Services that answer with what reaches them. */
const orders = HttpApiBuilder.layer(OrderApi).pipe(
  Layer.provide(HttpApiBuilder.group(OrderApi, "orders", (handlers) =>
    handlers.handleAll({
      place: ({ payload }) => Effect.succeed(HttpServerResponse.jsonUnsafe(payload, { status: 201 })),
      list: ({ query, request }) =>
        Effect.map(Member, ({ memberId }) =>
          HttpServerResponse.jsonUnsafe({ memberId, limit: query.limit, headers: request.headers })),
      get: ({ params }) => Effect.fail(new OrderUnknown({ orderId: params.id })),
      timeline: () => Effect.die(new Error("password=hunter2")).pipe(Effect.withSpan("Timeline.read"))
    }))),
  Layer.provide([layerGuards, InvalidRequests.layer])
)

const products = HttpApiBuilder.layer(ProductApi).pipe(
  Layer.provide(HttpApiBuilder.group(ProductApi, "products", (handlers) =>
    handlers.handleAll({
      list: () =>
        Effect.succeed(HttpServerResponse.jsonUnsafe({ items: [] }, { headers: { "cache-control": "public, max-age=60" } })),
      get: () => Effect.succeed(HttpServerResponse.jsonUnsafe({}))
    }))),
  Layer.provide([InvalidRequests.layer, SharedAnswers.layer])
)

let verifications = 0
const counted = Layer.effect(Callers, Effect.map(Callers, ({ verify }) => ({
  verify: (token) => {
    verifications++
    return verify(token)
  }
}))).pipe(Layer.provideMerge(callers))

const World = Gateway.serve({ port: Config.succeed(0) }, Layer.empty).pipe(
  Layer.provide(Layer.mergeAll(
    LocalUpstreams.answer("user", keySetRoute),
    LocalUpstreams.answer("product", products).pipe(Layer.provide(Telemetry.layerService("product"))),
    LocalUpstreams.answer("order", orders).pipe(Layer.provide(Telemetry.layerService("order")))
  )),
  Layer.provide(LocalUpstreams.layer),
  Layer.provide(LocalUpstreams.LocalServices.layer),
  Layer.provideMerge(counted),
  Layer.provide([Health.layer, tracer, Logger.layer([]), settings({})])
)

const orderId = "01941f29-7c00-7000-8000-000000000009"

layer(World, { excludeTestServices: true })("services in the gateway's process", (it) => {
  it.effect("answer without a socket, and nobody verifies the caller again", () => Effect.gen(function*() {
    const token = yield* authorization()
    verifications = 0
    const forged = { "x-user-id": "evil", traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01` }
    const { body, status } = yield* call("/v1/orders?limit=7", { headers: { ...token, ...forged } })
    assert.deepStrictEqual([status, body.memberId, body.limit, verifications], [200, memberId, 7, 1])
    assert.notProperty(body.headers, "x-user-id")
    assert.notProperty(body.headers, "traceparent")
    assert.strictEqual((yield* call("/v1/orders")).status, 401)
    assert.strictEqual((yield* call("/v1/orders", { headers: yield* authorization(endedSession) })).status, 401)
    const list = yield* call("/v1/products", { headers: token })
    assert.deepStrictEqual([list.status, list.headers.get("cache-control")], [200, "public, max-age=60"])
  }))

  it.effect("keep to their own operations, each in its own router", () => Effect.gen(function*() {
    const keys = yield* call("/.well-known/jwks.json")
    assert.deepStrictEqual([keys.status, keys.body.keys.length], [200, 1])
    const away = yield* call("/v1/payments?order=1", { headers: yield* authorization() })
    assert.deepStrictEqual([away.status, away.body.type, away.headers.get("retry-after")], [503, "/problems/unavailable", "1"])
    // User is there, without this operation.
    const { body, status } = yield* call("/v1/auth/sessions", { method: "POST", body: "{}" })
    assert.deepStrictEqual([status, body.type], [404, "/problems/route-not-found"])
  }))

  it.effect("are not asked for what the gateway has kept", () => Effect.gen(function*() {
    const path = `/v1/products/${orderId}`
    const serversOf = Effect.fnUntraced(function*(headers: Record<string, string>) {
      const answer = yield* call(path, { headers })
      const traceId = answer.headers.get("x-trace-id")
      const servers = spans.filter((span) => span.kind === "server" && span.traceId === traceId).length
      return [answer.status, answer.text, answer.headers.get("cache-control"), servers]
    })
    assert.deepStrictEqual(yield* serversOf({}), [200, "{}", "public, max-age=10", 2])
    assert.deepStrictEqual(yield* serversOf({}), [200, "{}", "public, max-age=10", 1])
    assert.deepStrictEqual(yield* serversOf({ "cache-control": "no-cache" }), [200, "{}", "public, max-age=10", 2])
  }))

  it.effect("refuse what a service refuses, in its words", () => Effect.gen(function*() {
    const headers = { ...(yield* authorization()), "content-type": "application/json", "idempotency-key": "1" }
    const post = (body: string) => call("/v1/orders", { method: "POST", headers, body })
    const invalid = yield* post("{\"more\":1}")
    assert.deepStrictEqual([invalid.status, invalid.body.type], [400, "/problems/invalid-request"])
    assert.strictEqual((yield* post("x".repeat(64 * 1024 + 1))).status, 413)
    const unknown = yield* call(`/v1/orders/${orderId}`, { headers: { ...headers, "accept-language": "ko" } })
    assert.deepStrictEqual([unknown.status, unknown.headers.get("content-language")], [404, "ko"])
    assert.strictEqual(unknown.body.instance, `/v1/orders/${orderId}`)
    const head = yield* call("/v1/products", { method: "HEAD" })
    assert.deepStrictEqual([head.status, head.text], [200, ""])
  }))

  it.effect("go on with the trace of the gateway, under their own names", () => Effect.gen(function*() {
    spans.length = 0
    const broken = yield* call(`/v1/orders/${orderId}/timeline`, { headers: yield* authorization() })
    assert.strictEqual(broken.status, 500)
    assert.notInclude(broken.text, "hunter2")
    const traceId = broken.headers.get("x-trace-id")
    assert.strictEqual(broken.body.traceId, traceId)
    const trace = spans.filter((span) => span.traceId === traceId)
    const [gateway, service] = trace.filter(({ kind }) => kind === "server")
    const own = trace.find(({ name }) => name === "Timeline.read")
    assert.deepStrictEqual(trace.filter(({ kind }) => kind === "server").map(({ name }) => name), [
      "GET /v1/orders/:id/timeline", "GET /v1/orders/:id/timeline"
    ])
    const parentOf = (span: typeof own) => span?.parent._tag === "Some" ? span.parent.value.spanId : undefined
    assert.deepStrictEqual([parentOf(gateway), parentOf(service)], [undefined, gateway?.spanId])
    assert.strictEqual(parentOf(own), service?.spanId)
    const names = [gateway, service, own].map((span) => span?.attributes.get("service.name"))
    assert.deepStrictEqual(names, [undefined, "order", "order"])
  }))
})
