import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { call, world } from "./World.ts"

const shop = "https://shop.example"

const World = world({ GATEWAY_CORS_ORIGINS: `${shop}, https://admin.example` })

layer(World, { excludeTestServices: true })("pages of other origins", (it) => {
  const allowed = (origin: string, init: RequestInit = {}, path = "/v1/products") =>
    Effect.map(call(path, { ...init, headers: { origin } }), ({ headers }) => headers.get("access-control-allow-origin"))

  it.effect("may read what the list allows", () => Effect.gen(function*() {
    const answer = yield* call("/v1/products", { headers: { origin: shop } })
    assert.deepStrictEqual([answer.status, answer.headers.get("access-control-allow-origin")], [200, shop])
    assert.include(answer.headers.get("access-control-expose-headers") ?? "", "x-trace-id")
    assert.include((answer.headers.get("vary") ?? "").toLowerCase(), "origin")
    assert.isNull(answer.headers.get("access-control-allow-credentials"))
    // Also a refusal: here 401.
    assert.strictEqual(yield* allowed(shop, {}, "/v1/orders"), shop)
  }))

  it.effect("are asked for first", () => Effect.gen(function*() {
    const preflight = yield* call("/v1/orders", {
      method: "OPTIONS",
      headers: { origin: shop, "access-control-request-method": "POST", "access-control-request-headers": "idempotency-key" }
    })
    assert.deepStrictEqual([preflight.status, preflight.headers.get("access-control-allow-origin")], [204, shop])
    assert.include(preflight.headers.get("access-control-allow-headers") ?? "", "idempotency-key")
    assert.include(preflight.headers.get("access-control-allow-methods") ?? "", "POST")
    assert.isNotNull(preflight.headers.get("x-request-id"))
  }))

  it.effect("are refused otherwise", () => Effect.gen(function*() {
    const others = [
      "null", "https://shop.example.evil.com", "https://evil.com", "http://shop.example", "https://shop.example:8443",
      "https://SHOP.example"
    ]
    for (const origin of others) {
      assert.isNull(yield* allowed(origin), origin)
      assert.isNull(yield* allowed(origin, { method: "OPTIONS" }), origin)
    }
  }))
})
