import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { call, world } from "./World.ts"

const shop = "https://shop.example"

layer(world({ GATEWAY_CORS_ORIGINS: `${shop}, https://admin.example` }), { excludeTestServices: true })("pages of other origins", (it) => {
  const allowed = (origin: string, init: RequestInit = {}) =>
    Effect.map(call("/v1/products", { ...init, headers: { origin } }), ({ headers }) => headers.get("access-control-allow-origin"))

  it.effect("may read what the list allows", () => Effect.gen(function*() {
    const answer = yield* call("/v1/products", { headers: { origin: shop } })
    assert.deepStrictEqual([answer.status, answer.headers.get("access-control-allow-origin")], [200, shop])
    assert.include(answer.headers.get("access-control-expose-headers") ?? "", "x-trace-id")
    assert.include((answer.headers.get("vary") ?? "").toLowerCase(), "origin")
    assert.isNull(answer.headers.get("access-control-allow-credentials"))
    assert.strictEqual((yield* call("/v1/orders", { headers: { origin: shop } })).headers.get("access-control-allow-origin"), shop)
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
    for (const origin of ["null", "https://shop.example.evil.com", "https://evil.com", "http://shop.example", "https://shop.example:8443", "https://SHOP.example"]) {
      assert.isNull(yield* allowed(origin), origin)
      assert.isNull(yield* allowed(origin, { method: "OPTIONS" }), origin)
    }
  }))
})
