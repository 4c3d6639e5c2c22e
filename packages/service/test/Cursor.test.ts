import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Redacted, Schema } from "effect"
import { OrderId } from "@marketplace/domain/Order/Ids"
import { Cursor } from "../src/Cursor.ts"

const keyed = (key: string) => Effect.provide(Cursor.layer(Redacted.make(key)), { local: true })
const id = OrderId.make("01890a5d-ac96-774b-bcce-b302099a8057")

describe("cursors", () => {
  it.effect("come back as what they were made of", () => Effect.gen(function*() {
    const cursor = yield* Cursor
    const given = cursor.encode("orders/a", id)
    assert.match(given, /^[A-Za-z0-9_-]+$/)
    assert.strictEqual(yield* cursor.decode("orders/a", OrderId, given), id)
    const position = Schema.fromJsonString(Schema.Struct({ price: Schema.Int, id: OrderId }))
    const composite = cursor.encode("products", JSON.stringify({ price: 15_900, id }))
    assert.deepStrictEqual(yield* cursor.decode("products", position, composite), { price: 15_900, id })
  }).pipe(keyed("one")))

  const Bit = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 100_000 }))
  it.effect.prop("of any text come back, and with one bit changed they do not", [Schema.String, Bit], ([position, at]) =>
    Effect.gen(function*() {
      const cursor = yield* Cursor
      const given = cursor.encode("list", position.toWellFormed())
      assert.strictEqual(yield* cursor.decode("list", Schema.String, given), position.toWellFormed())
      const bytes = Buffer.from(given, "base64url")
      const changed = at % (bytes.length * 8)
      bytes[changed >> 3]! ^= 1 << (changed & 7)
      const refused = yield* Effect.flip(cursor.decode("list", Schema.String, bytes.toString("base64url")))
      assert.strictEqual(refused._tag, "CursorRefused")
    }).pipe(keyed("one")))

  it.effect("are refused by another list, another key, and when they are nothing of the kind", () => Effect.gen(function*() {
    const cursor = yield* Cursor
    const given = cursor.encode("orders/a", id)
    const refusals = [
      cursor.decode("orders/b", OrderId, given),
      cursor.decode("orders/a", OrderId, given.slice(0, -4)),
      cursor.decode("orders/a", OrderId, `${given}AAAA`),
      cursor.decode("orders/a", OrderId, ""),
      cursor.decode("orders/a", OrderId, "not a cursor!"),
      cursor.decode("orders/a", OrderId, Buffer.from(id).toString("base64url")),
      cursor.decode("orders/a", OrderId, cursor.encode("orders/a", "no id")),
      Effect.flatMap(Cursor, (other) => other.decode("orders/a", OrderId, given)).pipe(keyed("another"))
    ]
    for (const refusal of refusals) assert.strictEqual((yield* Effect.flip(refusal))._tag, "CursorRefused")
  }).pipe(keyed("one")))

  it.effect("lead from page to page and end", () => Effect.gen(function*() {
    const cursor = yield* Cursor
    const all = Array.from({ length: 7 }, (_, i) => ({ id: `0${i}` }))
    const from = (after: string | undefined, limit: number) =>
      all.filter((item) => after === undefined || item.id > after).slice(0, limit + 1)
    const seen: Array<string> = []
    let next: string | null | undefined
    do {
      const after: string | undefined = typeof next === "string" ? yield* cursor.decode("all", Schema.String, next) : undefined
      const page = yield* cursor.page("all", from(after, 3), 3)
      seen.push(...page.items.map((item) => item.id))
      next = page.nextCursor
    } while (next !== null)
    assert.deepStrictEqual(seen, all.map((item) => item.id))
    assert.deepStrictEqual(yield* cursor.page("all", [], 3), { items: [], nextCursor: null })
    assert.isNull((yield* cursor.page("all", from("03", 3), 3)).nextCursor)
  }).pipe(keyed("one")))

  it.effect("need a key in the configuration", () => Effect.gen(function*() {
    const build = (env: Record<string, string>) =>
      Cursor.layerConfig.pipe(
        Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env }))),
        Layer.build,
        Effect.scoped,
        Effect.exit
      )
    assert.strictEqual((yield* build({}))._tag, "Failure")
    assert.strictEqual((yield* build({ CURSOR_KEY: "k" }))._tag, "Success")
  }))
})
