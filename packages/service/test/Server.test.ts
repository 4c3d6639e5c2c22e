import { assert, layer } from "@effect/vitest"
import { Config, Effect, Layer, Logger, References } from "effect"
import { HttpRouter, type HttpServer, HttpServerRequest } from "effect/http"
import { request as nodeRequest } from "node:http"
import { Health } from "../src/Health.ts"
import * as Server from "../src/Server.ts"
import { portOf, Shop } from "./Server/Shop.ts"

interface Line {
  readonly message: unknown
  readonly cause: string
  readonly annotations: Readonly<Record<string, unknown>>
}

const lines: Array<Line> = []
const collect = Logger.layer([Logger.make(({ cause, fiber, message }) => {
  lines.push({ message, cause: cause.reasons.map(String).join(), annotations: fiber.getRef(References.CurrentLogAnnotations) })
})])

const World = Server.serve(Shop, { service: "shop", port: Config.succeed(0) }).pipe(
  Layer.provideMerge(Health.layer),
  Layer.provide(collect)
)

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: {
    readonly type?: string
    readonly title?: string
    readonly detail?: string
    readonly traceId?: string
    readonly retryAfterSeconds?: number
    readonly errors?: ReadonlyArray<{ readonly in: string; readonly pointer: string }>
  }
}

const call = (path: string, init: RequestInit = {}): Effect.Effect<Answer, never, HttpServer.HttpServer> =>
  Effect.flatMap(portOf, (port) =>
    Effect.promise(async () => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, init)
      const text = await response.text()
      return { status: response.status, headers: response.headers, body: text === "" ? undefined : JSON.parse(text) }
    }))

const post = (body: unknown, headers: Record<string, string> = {}) =>
  call("/v1/things", {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body)
  })

interface Problem {
  readonly status: number
  readonly type: string
  readonly instance: string
}

const assertProblem = (answer: Answer, expected: Problem) => {
  assert.strictEqual(answer.status, expected.status)
  assert.strictEqual(answer.headers.get("content-type"), "application/problem+json")
  assert.strictEqual(answer.headers.get("cache-control"), "no-store")
  assert.strictEqual(answer.headers.get("x-content-type-options"), "nosniff")
  assert.containSubset(answer.body, expected)
  assert.match(answer.body.traceId ?? "", /^[0-9a-f]{32}$/)
  assert.isString(answer.body.title)
}

layer(World, { excludeTestServices: true })("a service on a socket", (it) => {
  it.effect("answers what the router does not know as a problem", () => Effect.gen(function*() {
    const unknown = yield* call("/v1/nowhere?secret=1")
    assertProblem(unknown, { status: 404, type: "/problems/route-not-found", instance: "/v1/nowhere" })
    assert.isNull(unknown.headers.get("allow"))
    const wrongMethod = yield* call("/v1/things/fine", { method: "DELETE" })
    assertProblem(wrongMethod, { status: 405, type: "/problems/method-not-allowed", instance: "/v1/things/fine" })
    assert.strictEqual(wrongMethod.headers.get("allow"), "GET, HEAD")
    assert.strictEqual((yield* call("/v1/things")).headers.get("allow"), "POST")
  }))

  it.effect("titles problems in the caller's language", () => Effect.gen(function*() {
    const titleFor = (language: string) =>
      Effect.map(call("/v1/nowhere", { headers: { "accept-language": language } }), ({ body, headers }) =>
        [headers.get("content-language"), body.title])
    const korean = ["ko", "이 경로에는 아무것도 없습니다"]
    const english = ["en", "There is nothing under this path"]
    assert.deepStrictEqual(yield* titleFor("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7"), korean)
    assert.deepStrictEqual(yield* titleFor("en;q=0.5, ko;q=0.6"), korean)
    assert.deepStrictEqual(yield* titleFor("en-US,en;q=0.9,ko;q=0.8"), english)
    assert.deepStrictEqual(yield* titleFor("fr"), english)
    assert.deepStrictEqual(yield* titleFor(";;q=,,ko;q=x"), english)
  }))

  it.effect("tells every offence of a body with its pointer", () => Effect.gen(function*() {
    const answer = yield* post({ parts: [{ "a/b": 1.5 }, { "a/b": 1, more: 2 }], __proto__x: 1 })
    assertProblem(answer, { status: 400, type: "/problems/invalid-request", instance: "/v1/things" })
    assert.sameMembers((answer.body.errors ?? []).map((offence) => `${offence.in} ${offence.pointer}`), [
      "body /name",
      "body /parts/0/a~1b",
      "body /parts/1/more",
      "body /__proto__x"
    ])
    const params = yield* call("/v1/things/other")
    assert.containSubset(params.body, { status: 400, errors: [{ in: "path", pointer: "/id" }] })
  }))

  it.effect("never answers with more offences than anybody reads", () => Effect.gen(function*() {
    const { body } = yield* post(Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`k${i}`, i])))
    assert.strictEqual(body.errors?.length, 100)
  }))

  it.effect("refuses what is not JSON, another type and too much", () => Effect.gen(function*() {
    const malformed = yield* post("{\"name\":")
    assertProblem(malformed, { status: 400, type: "/problems/invalid-request", instance: "/v1/things" })
    const xml = yield* post("<name/>", { "content-type": "text/xml" })
    assertProblem(xml, { status: 415, type: "/problems/unsupported-media-type", instance: "/v1/things" })
    assert.match(xml.body.detail ?? "", /text\/xml/)
    const large = yield* post({ name: "x".repeat(64 * 1024), parts: [] })
    assertProblem(large, { status: 413, type: "/problems/content-too-large", instance: "/v1/things" })
    const almost = yield* post({ name: "x".repeat(64 * 1024 - 100), parts: [] })
    assert.strictEqual(almost.status, 200)
  }))

  it.effect("refuses a body that only grows too large while it arrives", () => Effect.gen(function*() {
    const port = yield* portOf
    const status = yield* Effect.callback<number | undefined>((resume) => {
      const headers = { "content-type": "application/json" }
      const client = nodeRequest({ port, path: "/v1/things", method: "POST", headers }, (response) => {
        response.resume()
        resume(Effect.succeed(response.statusCode))
      })
      client.on("error", () => {})
      for (let i = 0; i < 10; i++) client.write("x".repeat(16 * 1024))
      client.end()
    })
    assert.strictEqual(status, 413)
  }))

  it.effect("keeps what an operation declares, with the headers that it asks for", () => Effect.gen(function*() {
    const busy = yield* call("/v1/things/busy")
    assertProblem(busy, { status: 503, type: "/problems/unavailable", instance: "/v1/things/busy" })
    assert.strictEqual(busy.headers.get("retry-after"), "7")
    assert.strictEqual(busy.body.retryAfterSeconds, 7)
    const stranger = yield* call("/v1/things/stranger")
    assertProblem(stranger, { status: 401, type: "/problems/unauthenticated", instance: "/v1/things/stranger" })
    assert.strictEqual(stranger.headers.get("www-authenticate"), "Bearer")
  }))

  it.effect("logs a defect under the trace id that it shows, and shows nothing else of it", () => Effect.gen(function*() {
    const broken = yield* call("/v1/things/broken?token=abc")
    assertProblem(broken, { status: 500, type: "/problems/internal-error", instance: "/v1/things/broken" })
    assert.notInclude(JSON.stringify(broken.body), "hunter2")
    const logged = lines.filter(({ annotations }) => annotations.traceId === broken.body.traceId)
    assert.strictEqual(logged.length, 1)
    assert.include(logged[0]!.cause, "hunter2")
    assert.deepStrictEqual([logged[0]!.annotations.method, logged[0]!.annotations.path], ["GET", "/v1/things/broken"])
  }))

  it.effect("is unavailable, not broken, while the database is away", () => Effect.gen(function*() {
    const away = yield* call("/v1/things/databaseAway")
    assertProblem(away, { status: 503, type: "/problems/unavailable", instance: "/v1/things/databaseAway" })
    assert.strictEqual(away.headers.get("retry-after"), "1")
  }))

  it.effect("stores nothing and says nothing of itself, unless the operation does", () => Effect.gen(function*() {
    const fine = yield* call("/v1/things/fine")
    assert.deepStrictEqual<unknown>([fine.status, fine.body], [200, { id: "fine" }])
    assert.strictEqual(fine.headers.get("cache-control"), "no-store")
    assert.strictEqual(fine.headers.get("x-content-type-options"), "nosniff")
    assert.deepStrictEqual(["server", "x-powered-by"].map((name) => fine.headers.get(name)), [null, null])
    assert.strictEqual((yield* call("/v1/things/public")).headers.get("cache-control"), "public, max-age=60")
  }))

  it.effect("tells how it is", () => Effect.gen(function*() {
    assert.deepStrictEqual<unknown>((yield* call("/health/live")).body, { live: true })
    const ready = yield* call("/health/ready")
    assert.deepStrictEqual<unknown>([ready.status, ready.body], [200, { ready: true, checks: {} }])
  }))
})

/** A gateway in the same process: everything goes to the shop without a socket. */
const Gateway = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const answer = yield* Server.inMemory(Shop)
  yield* router.add("*", "/*", (request) => {
    const passed = request.modify({ headers: { ...request.headers, "x-passed-on": "1" } })
    return Effect.provideService(answer, HttpServerRequest.HttpServerRequest, passed)
  })
}))

const InMemory = Server.serve(Gateway, { service: "gateway", port: Config.succeed(0) }).pipe(
  Layer.provide([Health.layer, collect])
)

layer(InMemory, { excludeTestServices: true })("a service behind a gateway in memory", (it) => {
  it.effect("answers as on a socket", () => Effect.gen(function*() {
    const fine = yield* call("/v1/things/fine")
    assert.deepStrictEqual<unknown>([fine.status, fine.body], [200, { id: "fine" }])
    assert.strictEqual(fine.headers.get("cache-control"), "no-store")
    assertProblem(yield* call("/v1/nowhere"), { status: 404, type: "/problems/route-not-found", instance: "/v1/nowhere" })
    const wrongMethod = yield* call("/v1/things/fine", { method: "DELETE" })
    assertProblem(wrongMethod, { status: 405, type: "/problems/method-not-allowed", instance: "/v1/things/fine" })
    assert.strictEqual(wrongMethod.headers.get("allow"), "GET, HEAD")
    const large = yield* post({ name: "x".repeat(64 * 1024), parts: [] })
    assertProblem(large, { status: 413, type: "/problems/content-too-large", instance: "/v1/things" })
    assertProblem(yield* post({}), { status: 400, type: "/problems/invalid-request", instance: "/v1/things" })
    assert.strictEqual((yield* call("/v1/things/public")).headers.get("cache-control"), "public, max-age=60")
  }))

  it.effect("logs a defect once", () => Effect.gen(function*() {
    const broken = yield* call("/v1/things/broken")
    assertProblem(broken, { status: 500, type: "/problems/internal-error", instance: "/v1/things/broken" })
    assert.strictEqual(lines.filter(({ annotations }) => annotations.traceId === broken.body.traceId).length, 1)
  }))
})
