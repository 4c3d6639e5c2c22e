import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Fiber, Latch, Layer } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { Settings } from "../src/Settings.ts"
import { SharedCache } from "../src/SharedCache.ts"
import { arrivals, authorization, call, settings, Upstream, world } from "./World.ts"

const shared = { "content-type": "application/json", "cache-control": "public, max-age=10" }
const products = "/v1/products"
const productId = "01941f29-7c00-7000-8000-00000000000a"

/** Answers with what has been asked so far, so that two answers are never the same. */
const counting = (headers: Record<string, string> = shared, status = 200) =>
  Effect.map(Upstream, (upstream) => {
    let answers = 0
    upstream.answer = ({ method }, response) => {
      const body = JSON.stringify({ answers: ++answers })
      response.writeHead(status, { ...headers, "content-length": String(body.length) }).end(method === "HEAD" ? undefined : body)
    }
  })

const numberOf = (path: string, headers: Record<string, string> = {}) => Effect.map(call(path, { headers }), ({ body }) => body.answers)

layer(world(), { excludeTestServices: true })("answers that are the same for everybody", (it) => {
  it.effect("are given again without asking the service, whoever calls", () => Effect.gen(function*() {
    yield* arrivals
    yield* counting()
    const made = yield* call(`${products}/${productId}`)
    const again = yield* call(`${products}/${productId}`, { headers: yield* authorization() })
    assert.deepStrictEqual([again.status, again.text], [200, made.text])
    assert.strictEqual((yield* arrivals).length, 1)
    for (const { headers } of [made, again]) {
      assert.deepStrictEqual([headers.get("cache-control"), headers.get("content-type")], [shared["cache-control"], "application/json"])
      assert.match(headers.get("etag") ?? "", /^"[\w-]{22}"$/)
      assert.strictEqual(headers.get("x-content-type-options"), "nosniff")
    }
    assert.strictEqual(again.headers.get("etag"), made.headers.get("etag"))
    assert.isNull(made.headers.get("age"))
    assert.match(again.headers.get("age") ?? "", /^\d$/)
  }))

  it.effect("carry the headers of the request that they answer", () => Effect.gen(function*() {
    yield* counting({ ...shared, "x-request-id": "theirs", "x-trace-id": "theirs", "date": "Mon, 01 Jan 2024 00:00:00 GMT" })
    const path = `${products}?limit=2`
    const answers = yield* Effect.forEach(["first", "second"], (id) => call(path, { headers: { "x-request-id": id } }))
    assert.deepStrictEqual(answers.map(({ headers }) => headers.get("x-request-id")), ["first", "second"])
    const traces = new Set(answers.map(({ headers }) => headers.get("x-trace-id")))
    assert.strictEqual(traces.size, 2)
    for (const trace of traces) assert.match(trace ?? "", /^[0-9a-f]{32}$/)
    for (const { headers } of answers) assert.notMatch(headers.get("date") ?? "", /2024/)
    assert.strictEqual((yield* arrivals).length, 1)
  }))

  it.effect("are kept apart by path and query, as they were sent", () => Effect.gen(function*() {
    yield* counting()
    const paths = [products, `${products}?limit=3`, `${products}?limit=3&cursor=c`, `${products}?cursor=c&limit=3`, `${products}/${productId}?`]
    assert.deepStrictEqual(yield* Effect.forEach([...paths, ...paths], (path) => numberOf(path)), [1, 2, 3, 4, 5, 1, 2, 3, 4, 5])
    yield* arrivals
  }))

  it.effect("are not sent to whoever has them", () => Effect.gen(function*() {
    const path = `${products}?limit=4`
    yield* counting()
    const etag = (yield* call(path)).headers.get("etag") ?? ""
    // `fetch` would add `no-cache` to If-None-Match.
    const control = { "cache-control": "max-age=60" }
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
      const { headers, status, text } = yield* call(path, { headers: { ...control, "if-none-match": known } })
      assert.deepStrictEqual([status, text], [304, ""], known)
      assert.deepStrictEqual([headers.get("etag"), headers.get("cache-control")], [etag, shared["cache-control"]])
      assert.isNull(headers.get("content-length"))
    }
    for (const unknown of ["\"other\"", etag.slice(1, -1)]) {
      assert.strictEqual((yield* call(path, { headers: { ...control, "if-none-match": unknown } })).status, 200)
    }
    assert.strictEqual((yield* arrivals).length, 1)
    // Also when the service had to be asked.
    yield* counting()
    const headers = { "if-none-match": etag, "cache-control": "no-cache" }
    assert.strictEqual((yield* call(path, { headers })).status, 304)
    assert.strictEqual((yield* call(path, { headers })).status, 200)
    yield* arrivals
  }))

  it.effect("answer HEAD, too, and are not what HEAD got", () => Effect.gen(function*() {
    const path = `${products}?limit=5`
    yield* counting()
    const unknown = yield* call(path, { method: "HEAD" })
    assert.deepStrictEqual([unknown.status, unknown.headers.get("content-length")], [200, "13"])
    const made = yield* call(path)
    assert.deepStrictEqual(made.body, { answers: 2 })
    const { headers, status, text } = yield* call(path, { method: "HEAD" })
    assert.deepStrictEqual([status, text, headers.get("content-length")], [200, "", "13"])
    assert.strictEqual(headers.get("etag"), made.headers.get("etag"))
    assert.deepStrictEqual((yield* arrivals).map(({ method }) => method), ["HEAD", "GET"])
  }))

  it.effect("are asked for again when the caller says so, and then kept", () => Effect.gen(function*() {
    const path = `${products}?limit=6`
    yield* counting()
    assert.strictEqual(yield* numberOf(path), 1)
    assert.strictEqual(yield* numberOf(path, { "cache-control": "no-cache" }), 2)
    assert.strictEqual(yield* numberOf(path), 2)
    assert.strictEqual(yield* numberOf(path, { "cache-control": "max-age=0, x=1" }), 3)
    assert.strictEqual(yield* numberOf(path, { "cache-control": "max-age=60" }), 3)
    // Not to be kept is a wish of its own.
    assert.strictEqual(yield* numberOf(path, { "cache-control": "No-Store" }), 4)
    assert.strictEqual(yield* numberOf(path), 3)
    yield* arrivals
  }))
})

layer(world(), { excludeTestServices: true })("everything else", (it) => {
  const unshared: ReadonlyArray<readonly [name: string, headers: Record<string, string>]> = [
    ["silent", { "content-type": "application/json" }],
    ["for nobody", { ...shared, "cache-control": "no-store" }],
    ["for one", { ...shared, "cache-control": "private, max-age=10" }],
    ["for now", { ...shared, "cache-control": "public, max-age=0" }],
    ["for as long as one likes", { ...shared, "cache-control": "public" }],
    ["with a cookie", { ...shared, "set-cookie": "a=1" }],
    ["for one language", { ...shared, vary: "accept-language" }],
    ["in one encoding", { ...shared, "content-encoding": "identity" }],
    ["already kept elsewhere", { ...shared, age: "3" }]
  ]

  it.effect("comes from the service each time: answers that do not say that they are shared", () => Effect.gen(function*() {
    for (const [name, headers] of unshared) {
      yield* counting(headers)
      assert.deepStrictEqual([yield* numberOf(products), yield* numberOf(products)], [1, 2], name)
    }
    yield* arrivals
  }))

  it.effect("comes from the service each time: what is not there, what is refused, what fails", () => Effect.gen(function*() {
    for (const status of [201, 400, 404, 500, 503]) {
      yield* counting(shared, status)
      assert.deepStrictEqual([yield* numberOf(products), yield* numberOf(products)], [1, 2], String(status))
    }
    yield* arrivals
  }))

  it.effect("comes from the service each time: what only a member may see", () => Effect.gen(function*() {
    yield* counting()
    const headers = yield* authorization()
    assert.deepStrictEqual([yield* numberOf("/v1/orders", headers), yield* numberOf("/v1/orders", headers)], [1, 2])
    assert.strictEqual((yield* call("/v1/orders")).status, 401)
    yield* arrivals
  }))

  it.effect("comes from the service each time: what is large, or nobody knows how large", () => Effect.gen(function*() {
    const upstream = yield* Upstream
    const large = "x".repeat(1024 * 1024 + 1)
    const bodies: ReadonlyArray<readonly [body: string, headers: Record<string, string>]> = [
      [large, { ...shared, "content-length": String(large.length) }],
      ["small", { ...shared, "transfer-encoding": "chunked" }]
    ]
    for (const [body, headers] of bodies) {
      yield* arrivals
      upstream.answer = (_, response) => void response.writeHead(200, { ...headers, "content-type": "text/plain" }).end(body)
      assert.strictEqual((yield* call(products)).text, body)
      assert.strictEqual((yield* call(products)).text, body)
      assert.strictEqual((yield* arrivals).length, 2)
    }
  }))

  it.effect("an answer that is cut is the service's failure", () => Effect.gen(function*() {
    const upstream = yield* Upstream
    upstream.answer = (_, response) => {
      response.writeHead(200, { ...shared, "content-length": "100" })
      response.write("{")
      setTimeout(() => response.socket?.destroy(), 20)
    }
    const { body, status } = yield* call(products)
    assert.deepStrictEqual([status, body.type], [503, "/problems/unavailable"])
    yield* arrivals
  }))
})

layer(world({ GATEWAY_CACHE_MEBIBYTES: "0" }), { excludeTestServices: true })("without room", (it) => {
  it.effect("every answer is the service's own", () => Effect.gen(function*() {
    yield* counting()
    assert.deepStrictEqual([yield* numberOf(products), yield* numberOf(products)], [1, 2])
    yield* arrivals
  }))
})

describe("time", () => {
  const Cache = SharedCache.layer.pipe(Layer.provide(Settings.layer), Layer.provide(settings({})))
  const get = (headers: Record<string, string> = {}) => HttpServerRequest.fromWeb(new Request(`http://127.0.0.1${products}`, { headers }))
  const saying = (text: string, headers: Record<string, string> = shared) => HttpServerResponse.text(text, { headers })
  const textOf = ({ body }: HttpServerResponse.HttpServerResponse) => body._tag === "Uint8Array" ? new TextDecoder().decode(body.body) : undefined

  it.effect("an answer is given for as long as it says, and tells its age", () => Effect.gen(function*() {
    const { answer } = yield* SharedCache
    let asked = 0
    const asking = Effect.sync(() => saying(String(++asked)))
    const ask = (headers?: Record<string, string>) =>
      Effect.map(answer(get(headers), asking), (response) => [textOf(response), response.headers["age"]])
    assert.deepStrictEqual(yield* ask(), ["1", undefined])
    assert.deepStrictEqual(yield* ask(), ["1", "0"])
    yield* TestClock.adjust("9999 millis")
    assert.deepStrictEqual(yield* ask(), ["1", "9"])
    assert.deepStrictEqual(yield* ask({ "cache-control": "max-age=10" }), ["1", "9"])
    yield* TestClock.adjust("1 milli")
    assert.deepStrictEqual(yield* ask(), ["2", undefined])
    yield* TestClock.adjust("5 seconds")
    assert.deepStrictEqual(yield* ask({ "cache-control": "max-age=5" }), ["3", undefined])
    assert.deepStrictEqual(yield* ask(), ["3", "0"])
  }).pipe(Effect.provide(Cache)))

  it.effect("counts from when the service was asked, and a slow answer replaces none that is newer", () => Effect.gen(function*() {
    const { answer } = yield* SharedCache
    const latch = yield* Latch.make()
    const slow = yield* Effect.forkChild(answer(get(), Effect.as(latch.await, saying("old"))))
    yield* TestClock.adjust("1 second")
    yield* answer(get(), Effect.succeed(saying("new")))
    yield* latch.open
    assert.strictEqual(textOf(yield* Fiber.join(slow)), "old")
    assert.strictEqual(textOf(yield* answer(get(), Effect.die("not asked"))), "new")
    yield* TestClock.adjust("10 seconds")
    assert.strictEqual(textOf(yield* answer(get(), Effect.succeed(saying("newest")))), "newest")
  }).pipe(Effect.provide(Cache)))

  it.effect("whoever stops waiting keeps nobody from asking", () => Effect.gen(function*() {
    const { answer } = yield* SharedCache
    const first = yield* Effect.forkChild(answer(get(), Effect.never))
    yield* TestClock.adjust("1 second")
    yield* Fiber.interrupt(first)
    assert.strictEqual(textOf(yield* answer(get(), Effect.succeed(saying("mine")))), "mine")
  }).pipe(Effect.provide(Cache)))

  it.effect("what is gone is forgotten, what fails is not", () => Effect.gen(function*() {
    const { answer } = yield* SharedCache
    const fresh = get({ "cache-control": "no-cache" })
    yield* answer(get(), Effect.succeed(saying("here")))
    yield* answer(fresh, Effect.succeed(HttpServerResponse.empty({ status: 503 })))
    assert.strictEqual(textOf(yield* answer(get(), Effect.die("not asked"))), "here")
    yield* answer(fresh, Effect.succeed(HttpServerResponse.empty({ status: 404 })))
    assert.strictEqual(textOf(yield* answer(get(), Effect.succeed(saying("back")))), "back")
  }).pipe(Effect.provide(Cache)))
})
