import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { HttpServerRequest } from "effect/http"
import { RateLimiter } from "effect/persistence"
import { RateLimits } from "../src/RateLimits.ts"
import { Settings } from "../src/Settings.ts"
import { authorization, call, settings, world } from "./World.ts"

const limited = { GATEWAY_UNLIMITED_NETWORKS: "none", GATEWAY_RATE_LIMIT_PER_MINUTE: "5", GATEWAY_LOGIN_LIMIT_PER_MINUTE: "2" }

const logIn = (headers: Record<string, string> = {}) => call("/v1/auth/sessions", { method: "POST", headers, body: "{}" })

layer(world(limited), { excludeTestServices: true })("a client", (it) => {
  it.effect("may ask so often in a minute, and is told what is left", () => Effect.gen(function*() {
    const left: Array<string | null> = []
    for (let i = 0; i < 5; i++) {
      const { headers, status } = yield* call("/v1/products")
      assert.strictEqual(status, 200)
      assert.strictEqual(headers.get("ratelimit-policy"), "\"general\";q=5;w=60")
      left.push(headers.get("ratelimit"))
    }
    assert.deepStrictEqual(left.map((value) => value?.replace(/t=\d+/, "t")), [4, 3, 2, 1, 0].map((n) => `"general";r=${n};t`))
    const refused = yield* call("/v1/products")
    assert.strictEqual(refused.status, 429)
    assert.strictEqual(refused.headers.get("content-type"), "application/problem+json")
    assert.containSubset(refused.body, { type: "/problems/too-many-requests", status: 429 })
    const wait = Number(refused.headers.get("retry-after"))
    // One request becomes free every twelve seconds.
    assert.isTrue(wait >= 1 && wait <= 12, String(wait))
    assert.strictEqual(refused.headers.get("ratelimit"), `"general";r=0;t=${wait}`)
  }))

  it.effect("is not somebody else because it says so", () => Effect.gen(function*() {
    const somebody = "203.0.113.9"
    const claims = [
      { "x-forwarded-for": somebody },
      { forwarded: `for=${somebody}` },
      { "x-real-ip": somebody },
      yield* authorization()
    ]
    for (const headers of claims) {
      assert.strictEqual((yield* call("/v1/products", { headers })).status, 429)
    }
  }))

  it.effect("logs in less often, and apart from everything else", () => Effect.gen(function*() {
    assert.deepStrictEqual([(yield* logIn()).status, (yield* logIn()).status], [200, 200])
    const refused = yield* logIn()
    assert.deepStrictEqual([refused.status, refused.headers.get("ratelimit-policy")], [429, "\"log-in\";q=2;w=60"])
  }))

  it.effect("can always see how the gateway is, and read about problems", () => Effect.gen(function*() {
    assert.strictEqual((yield* call("/health/live")).status, 200)
    assert.strictEqual((yield* call("/problems/too-many-requests")).status, 200)
  }))
})

const Proxied = world({ ...limited, GATEWAY_TRUSTED_PROXIES: "127.0.0.0/8" })

layer(Proxied, { excludeTestServices: true })("behind a trusted proxy", (it) => {
  it.effect("each client has its own share, and cannot make up others", () => Effect.gen(function*() {
    const statusesFor = (...forwarded: ReadonlyArray<string>) =>
      Effect.forEach(forwarded, (addresses) => Effect.map(logIn({ "x-forwarded-for": addresses }), ({ status }) => status))
    assert.deepStrictEqual(yield* statusesFor("203.0.113.1", "203.0.113.1", "203.0.113.1", "203.0.113.2"), [200, 200, 429, 200])
    assert.deepStrictEqual(yield* statusesFor("198.51.100.7, 203.0.113.1"), [429])
    // One /64 is one client.
    const sixes = yield* statusesFor("2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1")
    assert.deepStrictEqual(sixes, [200, 200, 429, 200])
  }))
})

layer(world({ GATEWAY_RATE_LIMIT_PER_MINUTE: "1" }), { excludeTestServices: true })("this machine", (it) => {
  it.effect("has no limit unless it is given one", () => Effect.gen(function*() {
    for (let i = 0; i < 3; i++) {
      const { headers, status } = yield* call("/v1/products")
      assert.deepStrictEqual([status, headers.get("ratelimit")], [200, null])
    }
  }))
})

const Unlimited = world({ ...limited, GATEWAY_RATE_LIMIT_PER_MINUTE: "0", GATEWAY_LOGIN_LIMIT_PER_MINUTE: "0" })

layer(Unlimited, { excludeTestServices: true })("a limit of zero", (it) => {
  it.effect("is none", () => Effect.gen(function*() {
    for (let i = 0; i < 3; i++) {
      assert.deepStrictEqual([(yield* call("/v1/products")).status, (yield* logIn()).status], [200, 200])
    }
  }))
})

describe("while nobody can count", () => {
  const reason = new RateLimiter.RateLimitStoreError({ message: "gone" })
  const failing = Effect.fail(new RateLimiter.RateLimiterError({ reason }))
  const Broken = RateLimits.layerNoDeps.pipe(
    Layer.provide(RateLimiter.layer),
    Layer.provide(Layer.succeed(RateLimiter.RateLimiterStore, {
      fixedWindow: () => failing,
      tokenBucket: () => failing,
      adaptiveConsume: () => failing,
      adaptiveFeedback: () => failing
    })),
    Layer.provide(Settings.layer),
    Layer.provide(settings(limited))
  )
  const consume = (policy: "general" | "log-in") =>
    RateLimits.use((limits) => limits.consume(request, policy)).pipe(
      Effect.provideService(HttpServerRequest.HttpServerRequest, request)
    )
  const request = HttpServerRequest.fromWeb(new Request("http://127.0.0.1/"))

  it.effect("nobody logs in, and everything else goes on", () => Effect.gen(function*() {
    yield* consume("general")
    const refused = yield* Effect.flip(consume("log-in"))
    assert.strictEqual(refused._tag, "Unavailable")
  }).pipe(Effect.provide(Broken)))
})
