import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { compatible, derive } from "../src/Avro.ts"
import type { AvroRecord } from "../src/Avro.ts"

const Line = Schema.Struct({ sku: Schema.String, shippedAt: Schema.NullOr(Schema.DateTimeUtcFromMillis) })
  .annotate({ identifier: "Line" })
const fields = {
  orderId: Schema.String.annotate({ description: "Which order" }),
  first: Line,
  lines: Schema.Array(Line),
  counts: Schema.Record(Schema.String, Schema.Int),
  note: Schema.NullOr(Schema.String),
  at: Schema.DateTimeUtcFromMillis
}
const released = derive("Shipped", "order", Schema.Struct(fields))
const version = (changes: Schema.Struct.Fields, ...without: ReadonlyArray<keyof typeof fields>) =>
  derive("Shipped", "order", Schema.Struct(Object.fromEntries(
    Object.entries({ ...fields, ...changes }).filter(([name]) => !without.some((field) => field === name))
  )))
/** What evolves by hand: attributes that no Schema derives. */
const edited = (change: (json: string) => string): AvroRecord => JSON.parse(change(JSON.stringify(released)))

const problems = (now: AvroRecord, before: AvroRecord = released) => compatible(now, before).join("\n")

describe("compatible versions", () => {
  it("differ in nothing, in the order of fields, or in fields with a default", () => {
    const { at, ...others } = fields
    assert.deepStrictEqual(compatible(released, released), [])
    assert.deepStrictEqual(compatible(derive("Shipped", "order", Schema.Struct({ at, ...others })), released), [])
    const grown = version({
      coupon: Schema.NullOr(Schema.Int),
      gift: Schema.optionalKey(Schema.Boolean),
      channel: Schema.String.pipe(Schema.withDecodingDefaultKey(Effect.succeed("web")))
    })
    assert.deepStrictEqual(compatible(grown, released), [])
    assert.deepStrictEqual(compatible(released, grown), [])
    const successor = Schema.NullOr(Schema.String).annotate({ description: "Where it was ordered" })
    assert.deepStrictEqual(compatible(version({}, "note"), released), [])
    assert.deepStrictEqual(compatible(version({ channel: successor }, "note"), released), [])
  })

  it("may define a shared record in another place", () => {
    const moved = version({ a: Schema.NullOr(Line), ...fields })
    const { first, ...others } = fields
    const swapped = derive("Shipped", "order", Schema.Struct({ ...others, first }))
    assert.deepStrictEqual(compatible(moved, released), [])
    assert.deepStrictEqual(compatible(swapped, released), [])
  })
})

describe("incompatible versions", () => {
  const cases: ReadonlyArray<readonly [string, AvroRecord, string]> = [
    ["a renamed field", version({ text: Schema.String.annotate({ description: "Which order" }) }, "orderId"),
      "Shipped.orderId: renamed to text?"],
    ["a renamed field with a default, which resolvers accept", version({ remark: Schema.NullOr(Schema.String) }, "note"),
      "Shipped.note: renamed to remark?"],
    ["a changed type", version({ orderId: Schema.Int.annotate({ description: "Which order" }) }),
      "Shipped.orderId: type is long, was string"],
    ["a changed type of items", version({ lines: Schema.Array(Schema.String) }),
      "Shipped.lines[]: type is string, was marketplace.order.Line"],
    ["a changed type of values", version({ counts: Schema.Record(Schema.String, Schema.String) }),
      "Shipped.counts{}: type is string, was long"],
    ["a type that became nullable", version({ orderId: Schema.NullOr(Schema.String) }),
      "Shipped.orderId: type is [\"null\",\"string\"], was string"],
    ["a type that resolvers promote", edited((json) => json.replace("\"type\":\"string\"", "\"type\":\"bytes\"")),
      "Shipped.orderId: type is bytes, was string"],
    ["milliseconds that became microseconds", edited((json) => json.replaceAll("timestamp-millis", "timestamp-micros")),
      "Shipped.at: logical type is timestamp-micros, was timestamp-millis"],
    ["microseconds in a nested record", edited((json) => json.replace("timestamp-millis", "timestamp-micros")),
      "Shipped.lines[].shippedAt: logical type is timestamp-micros, was timestamp-millis"],
    ["a time that became a plain number", version({ at: Schema.Int }), "Shipped.at: logical type is none, was timestamp-millis"],
    ["a removed default", edited((json) => json.replace("\"string\"],\"default\":null", "\"string\"]")),
      "Shipped.note: default is none, was null"],
    ["a changed default", edited((json) => json.replace("\"string\"],\"default\":null", "\"string\"],\"default\":\"\"")),
      "Shipped.note: default is \"\", was null"],
    ["a changed doc", version({ orderId: Schema.String.annotate({ description: "The order" }) }),
      "Shipped.orderId: doc is The order, was Which order"],
    ["a doc that went", version({ orderId: Schema.String }), "Shipped.orderId: doc is none, was Which order"],
    ["a changed doc of the record", { ...released, doc: "New" }, "Shipped: doc is New, was none"],
    ["an added field without a default", version({ added: Schema.Int }), "Shipped.added: added without a default"],
    ["a removed field without a default", version({}, "at"), "Shipped.at: removed without a default"],
    ["another record", { ...released, name: "Sent" }, "record's name is marketplace.order.Sent, was marketplace.order.Shipped"],
    ["another context", { ...released, namespace: "marketplace.user" }, "record's name is marketplace.user.Shipped"],
    ["a renamed nested record", edited((json) => json.replaceAll("\"Line\"", "\"Item\"")),
      "Shipped.first: record's name is marketplace.order.Item, was marketplace.order.Line"]
  ]
  for (const [what, now, expected] of cases) {
    it(`differ in ${what}`, () => {
      assert.include(problems(now), expected)
      assert.isNotEmpty(compatible(released, now))
    })
  }

  it("tell in which direction resolution fails", () => {
    const added = version({ added: Schema.Int })
    assert.include(problems(added), "the new version cannot read the old one: no matching field for default-less")
    assert.include(problems(released, added), "the old version cannot read the new one: no matching field")
  })
})
