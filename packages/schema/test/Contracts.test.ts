import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { MemberOnly } from "../src/Access.ts"
import { sharedFor, SharesAnswers } from "../src/Caching.ts"
import { MarketplaceApi } from "../src/MarketplaceApi.ts"
import { operations, operationsOf } from "../src/Operations.ts"
import { consumed, external, published } from "../src/Topology.ts"

/** Operations that anybody may call. Adding one is a decision, so it is written here. */
const open = ["sessions.logIn", "products.list", "products.get"]

describe("operations", () => {
  it("leaves none open by accident", () => {
    assert.deepStrictEqual(operations.filter(({ access }) => access === "public").map(({ id }) => id), open)
  })

  it("shares only what is the same for everybody", () => {
    const shared = operations.filter(({ sharedFor }) => sharedFor !== undefined)
    assert.deepStrictEqual(shared.map(({ id, sharedFor }) => [id, sharedFor]), [["products.list", 10], ["products.get", 10]])
    const spec = OpenApi.fromApi(MarketplaceApi)
    const responses = spec.paths["/v1/products/{id}"]?.get?.responses
    assert.deepStrictEqual(Object.keys(responses?.["304"]?.headers ?? {}), ["cache-control", "etag", "age"])
    assert.containSubset(responses?.["200"], { content: {}, headers: { etag: {} } })
  })

  it("cannot share what a member sees, what changes something, or what does not say so", () => {
    const get = HttpApiEndpoint.get("get", "/", { success: Schema.String }).annotateMerge(sharedFor("1 second"))
    const post = HttpApiEndpoint.post("post", "/", { success: Schema.String }).annotateMerge(sharedFor("1 second"))
    const of = (endpoint: typeof get | typeof post) => HttpApi.make("any").add(HttpApiGroup.make("any").add(endpoint))
    assert.deepStrictEqual(operationsOf("product", of(get).middleware(SharesAnswers)).map(({ sharedFor }) => sharedFor), [1])
    assert.throws(() => operationsOf("product", of(get).middleware(SharesAnswers).middleware(MemberOnly)), "any.get: only what anybody may GET")
    assert.throws(() => operationsOf("product", of(post).middleware(SharesAnswers)), "any.post: only what anybody may GET")
    assert.throws(() => operationsOf("product", of(get)), "any.get: sharedFor needs the middleware")
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
