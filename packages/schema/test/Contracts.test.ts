import { assert, describe, it } from "@effect/vitest"
import { OpenApi } from "effect/http-api"
import { MarketplaceApi } from "../src/MarketplaceApi.ts"
import { operations } from "../src/Operations.ts"
import { consumed, external, published } from "../src/Topology.ts"

/** Operations that anybody may call. Adding one is a decision, so it is written here. */
const open = ["sessions.logIn", "products.list", "products.get"]

describe("operations", () => {
  it("leaves none open by accident", () => {
    assert.deepStrictEqual(operations.filter(({ access }) => access === "public").map(({ id }) => id), open)
  })

  it("has each path and method once", () => {
    const places = operations.map(({ method, path }) => `${method} ${path}`)
    assert.strictEqual(new Set(places).size, places.length)
    for (const place of places) assert.match(place, /^(GET|POST|PUT|PATCH|DELETE) \/v1\/[a-z]/)
  })

  it("documents every one: summary, errors as problems, a key where something is created or charged", () => {
    const spec = OpenApi.fromApi(MarketplaceApi)
    const documented = Object.entries(spec.paths).flatMap(([path, item]) =>
      (["get", "post", "put", "patch", "delete"] as const).flatMap((method) =>
        item[method] === undefined ? [] : [{ path, method, operation: item[method] }]
      )
    )
    assert.strictEqual(documented.length, operations.length)
    for (const { method, operation, path } of documented) {
      assert.isString(operation.summary, path)
      for (const [status, response] of Object.entries(operation.responses)) {
        if (Number(status) >= 400) assert.property(response.content ?? {}, "application/problem+json", `${method} ${path} ${status}`)
      }
      const key = operation.parameters.find(({ name }) => name === "idempotency-key")
      if (method === "post" && !path.includes("/auth/")) assert.isTrue(key?.required, path)
    }
  })
})

describe("events", () => {
  const told = Object.values(published).flatMap((events) => Object.keys(events))
  const heard = new Set<string>(Object.values(consumed).flat())

  it("have exactly one publisher", () => {
    assert.strictEqual(new Set(told).size, told.length)
    for (const name of heard) assert.include(told, name)
  })

  it("are acted on, or said to be for others", () => {
    assert.deepStrictEqual(told.filter((name) => !heard.has(name)).sort(), [...external].sort())
  })

  it("tell no personal data", () => {
    const words = /email|phone|address|password|name|card/i
    for (const events of Object.values(published)) {
      for (const [name, { schema }] of Object.entries(events)) {
        for (const field of Object.keys(schema.fields)) assert.notMatch(field, words, `${name}.${field}`)
      }
    }
  })
})
