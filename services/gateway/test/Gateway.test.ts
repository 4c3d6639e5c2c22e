import { assert, it, layer } from "@effect/vitest"
import { Effect, Exit, Layer } from "effect"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { operations } from "@marketplace/schema/Operations"
import { gzipSync } from "node:zlib"
import * as HttpUpstreams from "../src/Upstreams/Http.ts"
import {
  arrivals,
  assertProblem,
  authorization,
  call,
  endedSession,
  raw,
  saying,
  settings,
  spans,
  Upstream,
  world
} from "./World.ts"

const json = { "content-type": "application/json" }
const orderId = "01941f29-7c00-7000-8000-000000000009"

layer(world({ GATEWAY_UPSTREAM_TIMEOUT: "500 millis" }), { excludeTestServices: true })("the gateway", (it) => {
  it.effect("passes a request on and its answer back", () => Effect.gen(function*() {
    yield* arrivals
    const upstream = yield* Upstream
    upstream.answer = (_, response) => {
      response.writeHead(201, {
        "content-type": "application/json; charset=utf-8",
        "location": "/v1/orders/1",
        "set-cookie": ["a=1; HttpOnly; Path=/", "b=2"],
        "keep-alive": "timeout=99",
        "connection": "keep-alive, x-hop",
        "x-hop": "1",
        "cache-control": "no-store"
      }).end("{\"id\":\"€\"}")
    }
    const answer = yield* call("/v1/orders?a=%20b&a=2", {
      method: "POST",
      headers: { ...(yield* authorization()), ...json, "idempotency-key": "k", "accept-language": "ko" },
      body: "{ \"raw\": 1 }"
    })
    assert.deepStrictEqual([answer.status, answer.text], [201, "{\"id\":\"€\"}"])
    assert.deepStrictEqual(answer.headers.getSetCookie(), ["a=1; Path=/; HttpOnly", "b=2"])
    assert.deepStrictEqual(["location", "content-type", "cache-control", "x-hop"].map((name) => answer.headers.get(name)), [
      "/v1/orders/1", "application/json; charset=utf-8", "no-store", null
    ])
    const [request, ...others] = yield* arrivals
    assert.deepStrictEqual(others, [])
    assert.deepStrictEqual([request?.method, request?.url, request?.body], ["POST", "/v1/orders?a=%20b&a=2", "{ \"raw\": 1 }"])
    assert.containSubset(request?.headers, { "idempotency-key": "k", "accept-language": "ko", "content-length": "12" })
    assert.match(request?.headers.authorization ?? "", /^Bearer ey/)
  }))

  it.effect("reaches every operation of the contracts, and nothing else", () => Effect.gen(function*() {
    const token = yield* authorization()
    for (const { id, method, path, service } of operations) {
      yield* arrivals
      const url = path.replace(/:\w+/g, orderId)
      const answer = yield* call(url, { method, headers: token })
      const [request] = yield* arrivals
      // Nobody listens at PAYMENT_URL.
      if (service === "payment") assertProblem(answer, 503, "unavailable")
      else assert.deepStrictEqual([answer.status, request?.method, request?.url], [200, method, url], id)
    }
    for (const path of ["/", "/v1", "/v2/orders", "/rpc/user", "/health", "/metrics", "/v1/orders/a/b/c", "/problems/"]) {
      assertProblem(yield* call(path, { headers: token }), 404, "route-not-found")
    }
    assert.deepStrictEqual(yield* arrivals, [])
  }))

  it.effect("refuses other methods", () => Effect.gen(function*() {
    const answer = yield* call(`/v1/orders/${orderId}`, { method: "DELETE" })
    assertProblem(answer, 405, "method-not-allowed")
    assert.strictEqual(answer.headers.get("allow"), "GET, HEAD")
    assertProblem(yield* call("/v1/orders", { method: "OPTIONS" }), 405, "method-not-allowed")
    assert.match(yield* raw("TRACE /v1/orders HTTP/1.1", "host: x", "connection: close", "", ""), /^HTTP\/1.1 405 /)
    assert.deepStrictEqual(yield* arrivals, [])
  }))

  it.effect("lets members in whose token is good, and nobody else", () => Effect.gen(function*() {
    const { authorization: good } = yield* authorization()
    const { authorization: ended } = yield* authorization(endedSession)
    const token = good.slice("Bearer ".length)
    for (const authorization of [undefined, "", token, `${good}x`, `Basic ${token}`, ended]) {
      const headers = authorization === undefined ? {} : { authorization }
      for (const { method, path } of operations.filter(({ access }) => access === "member")) {
        const answer = yield* call(path.replace(/:\w+/g, orderId), { method, headers })
        assertProblem(answer, 401, "unauthenticated")
        assert.strictEqual(answer.headers.get("www-authenticate"), "Bearer")
      }
    }
    assert.deepStrictEqual(yield* arrivals, [])
    assert.strictEqual((yield* call("/v1/orders", { headers: { authorization: good.replace("Bearer", "bearer") } })).status, 200)
    yield* arrivals
  }))

  it.effect("believes nobody who says what only the platform may say", () => Effect.gen(function*() {
    const forged = [
      "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded", "x-real-ip", "x-user-id", "x-userid",
      "x-service-name", "x-deadline-millis", "tracestate", "baggage", "x-b3-traceid"
    ]
    const evil = Object.fromEntries(forged.map((name) => [name, "evil"]))
    yield* call("/v1/products", { headers: { ...evil, "user-agent": "shop", "x-kept": "1" } })
    const [request] = yield* arrivals
    assert.deepStrictEqual(Object.keys(request?.headers ?? {}).filter((name) => forged.includes(name)), [])
    assert.containSubset(request?.headers, { "user-agent": "shop", "x-kept": "1" })
    assert.match(request?.headers.host ?? "", /^127\.0\.0\.1:\d+$/)
  }))

  it.effect("begins a trace of its own, linked to the caller's, and tells it to both sides", () => Effect.gen(function*() {
    for (const flags of ["01", "00"]) {
      const theirs = "4bf92f3577b34da6a3ce929d0e0e4736"
      spans.length = 0
      const caller = `${theirs}-00f067aa0ba902b7`
      const headers = { traceparent: `00-${caller}-${flags}`, b3: `${caller}-1` }
      const answer = yield* call("/v1/products?q=1", { headers })
      const [request] = yield* arrivals
      const ours = answer.headers.get("x-trace-id")
      assert.match(ours ?? "", /^[0-9a-f]{32}$/)
      assert.notStrictEqual(ours, theirs)
      const server = spans.find(({ kind }) => kind === "server")
      const client = spans.find(({ kind }) => kind === "client")
      assert.deepStrictEqual([server?.name, server?.traceId, server?.sampled], ["GET /v1/products", ours, true])
      assert.strictEqual(server?.parent._tag, "None")
      assert.deepStrictEqual(server?.links.map(({ span }) => [span.traceId, span.spanId]), [[theirs, "00f067aa0ba902b7"]])
      assert.deepStrictEqual(request?.headers.traceparent, `00-${ours}-${client?.spanId}-01`)
      assert.match(String(request?.headers["b3"]), new RegExp(`^${ours}-${client?.spanId}-1`))
    }
    spans.length = 0
    yield* call("/health/live")
    yield* call("/v1/orders/unknown/timeline")
    assert.deepStrictEqual(spans.filter(({ kind }) => kind === "server").map(({ name }) => name), ["GET /v1/orders/:id/timeline"])
  }))

  it.effect("names every answer: with the caller's id if it is sane, else with the trace's", () => Effect.gen(function*() {
    const idFor = (id: string) =>
      Effect.map(call("/v1/products", { headers: { "x-request-id": id } }), ({ headers }) => headers.get("x-request-id"))
    assert.strictEqual(yield* idFor("shop-1.2:3_4"), "shop-1.2:3_4")
    for (const insane of ["a b", "<script>", "x".repeat(129)]) assert.match((yield* idFor(insane)) ?? "", /^[0-9a-f]{32}$/)
    for (const path of ["/nowhere", "/openapi.json", "/v1/orders", "/problems/unavailable"]) {
      const { headers } = yield* call(path)
      assert.match(headers.get("x-trace-id") ?? "", /^[0-9a-f]{32}$/, path)
      assert.strictEqual(headers.get("x-request-id"), headers.get("x-trace-id"), path)
    }
    yield* arrivals
  }))

  it.effect("tells browsers what they must not do", () => Effect.gen(function*() {
    for (const path of ["/nowhere", "/v1/products", "/openapi.json"]) {
      const { headers } = yield* call(path, { headers: { origin: "https://shop.example" } })
      assert.match(headers.get("content-security-policy") ?? "", /^default-src 'none'; frame-ancestors 'none'/)
      assert.match(headers.get("strict-transport-security") ?? "", /max-age=31536000/)
      assert.deepStrictEqual([headers.get("x-content-type-options"), headers.get("referrer-policy")], ["nosniff", "no-referrer"])
      assert.isNull(headers.get("access-control-allow-origin"))
      assert.isNull(headers.get("server"))
    }
    yield* arrivals
  }))

  it.effect("says quickly that a service is away", () => Effect.gen(function*() {
    const begin = performance.now()
    const answer = yield* call("/v1/payments?order=1", { headers: yield* authorization() })
    assertProblem(answer, 503, "unavailable")
    assert.strictEqual(answer.headers.get("retry-after"), "1")
    assert.isBelow(performance.now() - begin, 2000)
  }))

  it.effect("waits for no service that does not answer", () => Effect.gen(function*() {
    const upstream = yield* Upstream
    upstream.answer = () => {}
    const answer = yield* call("/v1/orders", { method: "POST", headers: yield* authorization() })
    assertProblem(answer, 503, "unavailable")
    assert.strictEqual((yield* arrivals).length, 1)
  }))

  it.effect("sends nothing twice", () => Effect.gen(function*() {
    const token = yield* authorization()
    yield* arrivals
    for (const method of ["POST", "GET"]) {
      const upstream = yield* Upstream
      upstream.answer = (_, response) => void response.socket?.destroy()
      const answer = yield* call("/v1/orders", { method, headers: { ...token, ...json }, body: method === "POST" ? "{}" : null })
      assertProblem(answer, 503, "unavailable")
      assert.deepStrictEqual((yield* arrivals).map((request) => request.method), [method])
    }
    const upstream = yield* Upstream
    upstream.answer = (_, response) => {
      response.writeHead(503, { "content-type": "application/problem+json" }).end("{\"traceId\":\"theirs\"}")
    }
    const answer = yield* call("/v1/orders", { method: "POST", headers: token })
    assert.deepStrictEqual([answer.status, answer.body, (yield* arrivals).length], [503, { traceId: "theirs" }, 1])
  }))

  it.effect("takes the addresses of a service in turn", () => Effect.gen(function*() {
    yield* arrivals
    for (let i = 0; i < 6; i++) yield* call("/v1/products")
    const order = (yield* arrivals).map(({ at }) => at)
    assert.deepStrictEqual([...order].sort(), ["first", "first", "first", "second", "second", "second"])
    assert.isTrue(order.every((at, index) => index === 0 || at !== order[index - 1]))
  }))

  it.effect("lets no path choose the machine", () => Effect.gen(function*() {
    yield* arrivals
    const answer = yield* raw("GET //v1//products HTTP/1.1", "host: x", "connection: close", "", "")
    assert.match(answer, /^HTTP\/1.1 200 /)
    assert.deepStrictEqual((yield* arrivals).map(({ url }) => url), ["//v1//products"])
    const { authorization: token } = yield* authorization()
    for (const path of ["/v1/orders/..\\..\\rpc\\user", "/v1/orders/../timeline", "/v1/orders/%2e%2E/timeline", "/v1/orders/."]) {
      const answer = yield* raw(`GET ${path} HTTP/1.1`, "host: x", `authorization: ${token}`, "connection: close", "", "")
      assert.match(answer, /^HTTP\/1.1 400 [^]+problems\/bad-request/)
    }
    assert.deepStrictEqual(yield* arrivals, [])
    const absolute = yield* raw("GET http://127.0.0.1:9/v1/products HTTP/1.1", "host: x", "connection: close", "", "")
    assert.match(absolute, /^HTTP\/1.1 200 /)
    assert.deepStrictEqual((yield* arrivals).map(({ url }) => url), ["/v1/products"])
  }))

  it.effect("keeps bodies that are too large from the services", () => Effect.gen(function*() {
    const headers = { ...(yield* authorization()), ...json }
    const post = (init: RequestInit & { readonly duplex?: "half" }) => call("/v1/orders", { method: "POST", headers, ...init })
    yield* arrivals
    assertProblem(yield* post({ body: "x".repeat(64 * 1024 + 1) }), 413, "content-too-large")
    const chunks = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(16 * 1024))
    })
    assertProblem(yield* post({ body: chunks, duplex: "half" }), 413, "content-too-large")
    assert.deepStrictEqual(yield* arrivals, [])
    assert.strictEqual((yield* post({ body: "x".repeat(64 * 1024) })).status, 200)
    const [request] = yield* arrivals
    assert.strictEqual(request?.body.length, 64 * 1024)
  }))

  it.effect("answers HEAD with the headers of GET", () => Effect.gen(function*() {
    const upstream = yield* Upstream
    upstream.answer = ({ method }, response) => {
      assert.strictEqual(method, "HEAD")
      response.writeHead(200, { "content-type": "application/json", "content-length": "17" }).end()
    }
    const answer = yield* call("/v1/products", { method: "HEAD" })
    assert.deepStrictEqual([answer.status, answer.text, answer.headers.get("content-length")], [200, "", "17"])
    yield* arrivals
    assert.strictEqual((yield* call("/openapi.json", { method: "HEAD" })).status, 200)
    assert.strictEqual((yield* call("/v1/orders", { method: "HEAD" })).status, 401)
  }))

  it.effect("follows no redirect, and changes no body", () => Effect.gen(function*() {
    const upstream = yield* Upstream
    upstream.answer = (_, response) => void response.writeHead(302, { location: "http://127.0.0.1:9/" }).end()
    const redirect = yield* call("/v1/products")
    assert.deepStrictEqual([redirect.status, redirect.headers.get("location")], [302, "http://127.0.0.1:9/"])
    upstream.answer = ({ headers }, response) => {
      assert.match(String(headers["accept-encoding"]), /gzip/)
      response.writeHead(200, { ...json, "content-encoding": "gzip" }).end(gzipSync("{\"zipped\":true}"))
    }
    const zipped = yield* call("/v1/products")
    assert.deepStrictEqual(zipped.body, { zipped: true })
    upstream.answer = (_, response) => void response.writeHead(304, { etag: "\"1\"" }).end()
    assert.deepStrictEqual([(yield* call("/v1/products")).status], [304])
    yield* arrivals
  }))

  it.effect("hands out the keys that tokens are verified with", () => Effect.gen(function*() {
    const upstream = yield* Upstream
    upstream.answer = saying({ keys: [] })
    assert.deepStrictEqual((yield* call("/.well-known/jwks.json")).body, { keys: [] })
    assert.deepStrictEqual((yield* arrivals).map(({ url }) => url), ["/.well-known/jwks.json"])
  }))
})

it.effect("addresses that are none keep the gateway from starting", () => Effect.gen(function*() {
  const startWith = (url: string) =>
    Layer.build(HttpUpstreams.layer).pipe(
      Effect.provide([
        NodeHttpClient.layerUndici,
        settings({ USER_URL: url, PRODUCT_URL: "http://a", ORDER_URL: "http://a:80/, https://b", PAYMENT_URL: "http://[::1]:8" })
      ]),
      Effect.scoped,
      Effect.exit
    )
  assert.isTrue(Exit.isSuccess(yield* startWith("http://user:8080")))
  for (const url of ["user:8080", "http://a,", "http://a/path", "ftp://a", "http://a b"]) {
    assert.isTrue(Exit.isFailure(yield* startWith(url)), url)
  }
}))
