import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { kinds } from "../src/Problems.ts"
import { advice } from "../src/Problems/Advice.ts"
import { assertProblem, call, world } from "./World.ts"

layer(world(), { excludeTestServices: true })("the gateway", (it) => {
  it.effect("shows its documents", () => Effect.gen(function*() {
    const folder = new URL("../../../packages/schema/snapshots/", import.meta.url)
    const snapshot = (name: string) => JSON.parse(readFileSync(new URL(name, folder), "utf8"))
    assert.deepStrictEqual((yield* call("/openapi.json")).body, snapshot("openapi.json"))
    assert.deepStrictEqual((yield* call("/asyncapi.json")).body, snapshot("asyncapi.json"))
    for (const path of ["/docs", "/swagger"]) {
      const page = yield* call(path)
      assert.strictEqual(page.status, 200)
      assert.match(page.headers.get("content-type") ?? "", /^text\/html/)
      assert.match(page.headers.get("content-security-policy") ?? "", /^default-src 'self' 'unsafe-inline'/)
      assert.include(page.text, "orders.place")
      assert.notMatch(page.text, /<(script|link)[^>]+(src|href)="https?:/)
      assert.notInclude(page.text, "OrderViewEncoded")
    }
  }))

  it.effect("explains every problem", () => Effect.gen(function*() {
    assert.sameMembers(Object.keys(advice), kinds().map(({ slug }) => slug))
    for (const { slug, status, title } of kinds()) {
      const page = yield* call(`/problems/${slug}`)
      assert.deepStrictEqual([page.status, page.headers.get("content-type")], [200, "text/html"])
      assert.include(page.text, `<h1>${title.replaceAll("<", "&lt;")}</h1>`)
      assert.include(page.text, `status ${status}`)
    }
    assertProblem(yield* call("/problems/none"), 404, "route-not-found")
  }))
})
