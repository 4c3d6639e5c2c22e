import { assert, describe, it } from "@effect/vitest"
import { Money } from "@marketplace/domain/Money"
import { DateTime, Effect, Schema, SchemaTransformation } from "effect"
import { derive, NoAvroForm } from "../src/Avro.ts"
import type { AvroRecord } from "../src/Avro.ts"
import { epoch, Placed } from "./AvroSamples.ts"

/** A time in another unit, as somebody may define it. */
const Seconds = Schema.Int.pipe(
  Schema.decodeTo(Schema.DateTimeUtc, SchemaTransformation.transform({
    decode: (seconds) => DateTime.makeUnsafe(seconds * 1000),
    encode: (time) => Math.floor(DateTime.toEpochMillis(time) / 1000)
  }))
)

interface Tree {
  readonly children: ReadonlyArray<Tree>
}
const Tree = Schema.Struct({ children: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree)) })

const thrownBy = (run: () => unknown): unknown => {
  try {
    return run()
  } catch (error) {
    return error
  }
}

describe("derivation", () => {
  it("makes one record per event, each nested record once", () => {
    assert.deepStrictEqual(derive("Placed", "order", Placed), {
      type: "record",
      name: "Placed",
      namespace: "marketplace.order",
      doc: "A buyer placed an order",
      fields: [
        { name: "orderId", type: "string" },
        { name: "memberId", doc: "Who buys", type: "string" },
        { name: "status", type: "string" },
        { name: "gift", type: "boolean" },
        {
          name: "total",
          doc: "What the buyer pays",
          type: {
            type: "record",
            name: "Money",
            fields: [
              { name: "amount", doc: "Minor units of the currency", type: "long" },
              { name: "currency", doc: "ISO 4217 code", type: "string" }
            ]
          }
        },
        {
          name: "lines",
          type: {
            type: "array",
            items: {
              type: "record",
              name: "PlacedLines",
              fields: [
                { name: "enterpriseId", type: "string" },
                { name: "quantity", type: "long" },
                { name: "price", type: "Money" }
              ]
            }
          }
        },
        { name: "note", type: ["null", "string"], default: null },
        { name: "coupon", type: ["null", "string"], default: null },
        { name: "placedAt", type: { type: "long", logicalType: "timestamp-millis" } }
      ]
    })
  })

  it("takes only Effect's own encodings of a time for milliseconds", () => {
    const fields = derive("Times", "order", Schema.Struct({
      millis: Schema.DateTimeUtcFromMillis.annotate({ description: "annotated" }),
      text: Schema.DateTimeUtcFromString,
      bare: Schema.DateTimeUtc,
      seconds: Seconds,
      defaulted: Schema.DateTimeUtcFromMillis.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0))),
      typeDefaulted: Schema.DateTimeUtcFromString.pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed(epoch))),
      bareDefaulted: Schema.DateTimeUtc.pipe(Schema.withDecodingDefaultKey(Effect.succeed(epoch))),
      thousandths: Schema.Int.pipe(Schema.decodeTo(Schema.DateTimeUtcFromMillis, SchemaTransformation.transform({
        decode: (thousandths) => thousandths * 1000,
        encode: (millis) => millis / 1000
      })))
    })).fields
    const millis = { type: "long", logicalType: "timestamp-millis" }
    assert.deepStrictEqual(fields.map(({ type }) => type), [
      millis, millis, millis, "long", ["null", millis], ["null", millis], ["null", millis], "long"
    ])
  })

  it("keeps a record's description with the record, a key's with the field", () => {
    const Reason = Schema.Struct({ code: Schema.String }).annotate({ identifier: "Reason", description: "Why it happened" })
    const fields = [{ name: "code", type: "string" }]
    const reason: AvroRecord = { type: "record", name: "Reason", doc: "Why it happened", fields }
    assert.deepStrictEqual(derive("Told", "order", Schema.Struct({
      first: Reason,
      second: Reason.pipe(Schema.annotateKey({ description: "Of the seller" })),
      third: Schema.NullOr(Reason).annotate({ description: "Of the carrier" })
    })).fields, [
      { name: "first", type: reason },
      { name: "second", doc: "Of the seller", type: "Reason" },
      { name: "third", doc: "Of the carrier", type: ["null", "Reason"], default: null }
    ])
  })

  it("keeps names, descriptions and times below a default", () => {
    const Window = Schema.Struct({ until: Schema.DateTimeUtcFromMillis.annotate({ description: "Exclusive" }), fee: Money })
      .annotate({ identifier: "Window" })
    const types = (windows: Schema.Constraint) =>
      derive("Opened", "order", Schema.Struct({ windows })).fields.map(({ type }) => type)
    const defaulted = Schema.Array(Window).pipe(Schema.withDecodingDefaultKey(Effect.succeed([])))
    assert.deepStrictEqual(types(defaulted), [["null", ...types(Schema.Array(Window))]])
  })

  const refused: ReadonlyArray<readonly [string, Schema.Constraint, string]> = [
    ["a number", Schema.Number, "Refused.it: may have a fraction"],
    ["a finite number", Schema.Finite, "Refused.it: may have a fraction"],
    ["a float as money", Schema.Struct({ amount: Schema.Finite, currency: Schema.String }),
      "Refused.it.amount: may have a fraction"],
    ["a union of types", Schema.Union([Schema.String, Schema.Int]), "Refused.it: the only unions"],
    ["a tagged union", Schema.TaggedUnion({ A: {}, B: {} }), "Refused.it: the only unions"],
    ["literals of numbers", Schema.Literals([1, 2]), "Refused.it: the only unions"],
    ["null alone", Schema.Null, "Refused.it: Null is not supported"],
    ["undefined", Schema.optional(Schema.String), "Refused.it: the only unions"],
    ["null or absent", Schema.optionalKey(Schema.NullOr(Schema.String)), "Refused.it: absent and null"],
    ["null twice", Schema.NullOr(Schema.NullOr(Schema.String)), "Refused.it: absent and null"],
    ["a tuple", Schema.Tuple([Schema.String, Schema.String]), "Refused.it: a tuple"],
    ["an array that is not empty by type", Schema.NonEmptyArray(Schema.String), "Refused.it: a tuple"],
    ["a record by numbers", Schema.Record(Schema.Number, Schema.String), "Refused.it: a record whose keys are not strings"],
    ["a struct with rest",
      Schema.StructWithRest(Schema.Struct({ a: Schema.String }), [Schema.Record(Schema.String, Schema.String)]),
      "Refused.it: a struct with further keys"],
    ["a struct without fields", Schema.Array(Schema.Struct({})), "Refused.it[]: a struct without fields"],
    ["an enum", Schema.Enum({ A: "a" }), "Refused.it: Enum is not supported"],
    ["a JavaScript date", Schema.Date, "Refused.it: a valid Date is not supported"],
    ["a zoned time", Schema.DateTimeZoned, "Refused.it: DateTime.Zoned is not supported"],
    ["an option", Schema.Option(Schema.String), "Refused.it: Option is not supported"],
    ["bytes", Schema.Uint8Array, "Refused.it: Uint8Array is not supported"],
    ["anything", Schema.Unknown, "Refused.it: Unknown is not supported"],
    ["a recursive schema", Tree, "Refused.it.children[]: a recursive schema"],
    ["a field that is no name", Schema.Struct({ "a-b": Schema.String }), "Refused.it.a-b: no Avro name"],
    ["an identifier that is no name", Schema.Struct({ a: Schema.String }).annotate({ identifier: "a/b" }), "Refused.it: \"a/b\""],
    ["deep inside", Schema.Array(Schema.Struct({ by: Schema.Record(Schema.String, Schema.NullOr(Schema.Number)) })),
      "Refused.it[].by{}: may have a fraction"],
    ["one name for two records", Schema.Struct({
      a: Schema.Struct({ a: Schema.String }).annotate({ identifier: "Same" }),
      b: Schema.Struct({ b: Schema.String }).annotate({ identifier: "Same" })
    }), "Refused: two different records are called Same"]
  ]
  for (const [what, schema, message] of refused) {
    it(`refuses ${what}, naming the place`, () => {
      const error = thrownBy(() => derive("Refused", "order", Schema.Struct({ it: schema })))
      assert.instanceOf(error, NoAvroForm)
      assert.include(error.message, message)
      assert.strictEqual(error.path, message.slice(0, message.indexOf(":")))
    })
  }

  it("refuses an event that is no struct, and one under a name that is not its tag", () => {
    assert.throws(() => derive("Text", "order", Schema.String), NoAvroForm, "an event is a struct")
    assert.throws(() => derive("Other", "order", Placed), NoAvroForm, "its tag is \"Placed\"")
  })
})
