import { assert, describe, it } from "@effect/vitest"
import { Money } from "@marketplace/domain/Money"
import { OrderId } from "@marketplace/domain/Order/Ids"
import { DateTime, Effect, Schema } from "effect"
import { canonical, codec, DecodeError, derive, EncodeError, fingerprint } from "../src/Avro.ts"
import { roundTrips } from "./AvroProperty.ts"
import { epoch, orderId, Parcel, Placed, placed, won } from "./AvroSamples.ts"

describe("round trips", () => {
  roundTrips("Placed", "order", Placed)
  roundTrips("Everything", "product", Schema.Struct({
    price: Money,
    previous: Schema.NullOr(Money),
    history: Schema.Array(Schema.Struct({ price: Money, until: Schema.DateTimeUtcFromMillis })),
    parcels: Schema.Array(Schema.NullOr(Parcel)),
    last: Schema.optionalKey(Parcel),
    names: Schema.Record(Schema.String, Schema.NullOr(Schema.String)),
    grid: Schema.Array(Schema.Array(Schema.Int)),
    stored: Schema.BigInt,
    maybe: Schema.NullOr(Schema.BigInt),
    times: Schema.Array(Schema.DateTimeUtcFromString),
    bare: Schema.NullOr(Schema.DateTimeUtc),
    channel: Schema.String.pipe(Schema.withDecodingDefaultKey(Effect.succeed("web"))),
    since: Schema.DateTimeUtcFromString.pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed(epoch))),
    sent: Schema.Array(Parcel).pipe(Schema.withDecodingDefaultKey(Effect.succeed([]))),
    state: Schema.NullOr(Schema.Literals(["open", "closed"]))
  }))
  roundTrips("Nothing", "user", Schema.TaggedStruct("Nothing", {}))

  it.effect("keeps whole numbers and text exactly, to the limits", () =>
    Effect.gen(function*() {
      const Exact = Schema.Struct({ numbers: Schema.Array(Schema.Int), bigs: Schema.Array(Schema.BigInt), text: Schema.String })
      const { decode, encode } = codec("Exact", "order", Exact)
      const edges = Array.from({ length: 63 }, (_, bit) => 2n ** BigInt(bit)).flatMap((edge) => [edge - 1n, edge, edge + 1n])
      const bigs = [...edges, 2n ** 63n - 1n].flatMap((edge) => [edge, -edge, -edge - 1n])
      const event = {
        numbers: bigs.map(Number).filter(Number.isSafeInteger).map((number) => number === 0 ? 0 : number),
        bigs,
        text: `서울 커피 한 잔 ☕ 👩‍👩‍👧 \u0000 ${"e\u0301".repeat(50)}`
      }
      assert.include(event.numbers, Number.MIN_SAFE_INTEGER)
      assert.deepStrictEqual(yield* decode(yield* encode(event)), event)
    }))

  it.effect("keeps what is absent absent and what is null null", () =>
    Effect.gen(function*() {
      const { decode, encode } = codec("Placed", "order", Placed)
      assert.deepStrictEqual(yield* decode(yield* encode(placed)), placed)
      assert.deepStrictEqual(yield* decode(yield* encode({ ...placed, note: "" })), { ...placed, note: "" })
    }))

  it.effect("keeps a key that objects have anyway", () =>
    Effect.gen(function*() {
      const { decode, encode } = codec("Named", "order", Schema.Struct({ names: Schema.Record(Schema.String, Schema.String) }))
      const names = JSON.parse("{\"__proto__\":\"kept\",\"constructor\":\"too\"}")
      const read = yield* decode(yield* encode({ names }))
      assert.strictEqual(JSON.stringify(read.names), JSON.stringify(names))
    }))
})

describe("writing", () => {
  const Counted = Schema.TaggedStruct("Counted", {
    count: Schema.BigInt,
    whole: Schema.Number.check(Schema.isInt()),
    text: Schema.String,
    names: Schema.Record(Schema.String, Schema.String)
  })
  const { encode } = codec("Counted", "order", Counted)
  const counted = { _tag: "Counted", count: 1n, whole: 1, text: "", names: {} } as const
  const wrong: ReadonlyArray<readonly [string, Partial<typeof Counted.Type>]> = [
    ["an unsafe number", { whole: 2 ** 53 }],
    ["a fraction", { whole: 0.5 }],
    ["more than 64 bits", { count: 2n ** 63n }],
    ["half a surrogate pair", { text: "\ud83d" }],
    ["half a surrogate pair in a key", { names: { "\ud83d": "" } }],
    ["half a surrogate pair in long text", { text: `${"a".repeat(100)}\ude00` }]
  ]
  for (const [what, change] of wrong) {
    it.effect(`fails on ${what}`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(encode({ ...counted, ...change }))
        assert.instanceOf(error, EncodeError)
        assert.match(error.message, /^Counted cannot be written as Avro: ./)
      }))
  }
})

describe("reading", () => {
  const { decode, encode } = codec("Placed", "order", Placed)

  it.effect("fails on bytes that end early or go on", () =>
    Effect.gen(function*() {
      const bytes = yield* encode(placed)
      for (let length = 0; length < bytes.length; length++) {
        assert.instanceOf(yield* Effect.flip(decode(bytes.subarray(0, length))), DecodeError)
      }
      const error = yield* Effect.flip(decode(new Uint8Array([...bytes, 0])))
      assert.match(error.message, /^Placed cannot be read from Avro: ./)
    }))

  it.effect.prop("ends, whatever the bytes are", [Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 })))],
    ([noise]) =>
      Effect.gen(function*() {
        const bytes = yield* encode(placed)
        for (let at = 0; at < bytes.length; at += 7) {
          const broken = new Uint8Array(bytes)
          broken.set(noise.slice(0, bytes.length - at), at)
          const exit = yield* Effect.exit(decode(broken))
          if (exit._tag === "Success") assert.isTrue(Schema.is(Placed)(exit.value))
        }
      }))

  it.effect("does not believe a number of items that the bytes cannot hold", () =>
    Effect.gen(function*() {
      const Listed = Schema.Struct({ items: Schema.Array(Schema.Boolean), names: Schema.Record(Schema.String, Schema.Boolean) })
      const { decode } = codec("Listed", "order", Listed)
      const billions = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]
      for (const bytes of [[...billions, 0], [0xff, ...billions, 0], [0, ...billions, 0]]) {
        assert.instanceOf(yield* Effect.flip(decode(new Uint8Array(bytes))), DecodeError)
      }
      const older = codec("Listed", "order", Schema.Struct({}))
      const skipped = yield* Effect.flip(older.decode(new Uint8Array([...billions, 0]), derive("Listed", "order", Listed)))
      assert.instanceOf(skipped, DecodeError)
    }))

  it.effect("fails rather than round a number that does not fit", () =>
    Effect.gen(function*() {
      const big = codec("Counted", "order", Schema.Struct({ count: Schema.BigInt }))
      const whole = codec("Counted", "order", Schema.Struct({ count: Schema.Int }))
      assert.strictEqual(whole.fingerprint, big.fingerprint)
      const largest = yield* big.encode({ count: 2n ** 53n - 1n })
      assert.deepStrictEqual(yield* whole.decode(largest), { count: Number.MAX_SAFE_INTEGER })
      assert.instanceOf(yield* Effect.flip(whole.decode(yield* big.encode({ count: 2n ** 53n + 1n }))), DecodeError)
    }))

  it.effect("fails on values that the Schema forbids", () =>
    Effect.gen(function*() {
      const loose = codec("Named", "order", Schema.Struct({ id: Schema.String }))
      const strict = codec("Named", "order", Schema.Struct({ id: OrderId }))
      assert.instanceOf(yield* Effect.flip(strict.decode(yield* loose.encode({ id: "none" }))), DecodeError)
    }))
})

describe("evolution", () => {
  const first = { orderId: OrderId, note: Schema.NullOr(Schema.String), total: Money }
  const v1 = codec("Placed", "order", Schema.TaggedStruct("Placed", first))
  const v2 = codec("Placed", "order", Schema.TaggedStruct("Placed", {
    channel: Schema.String.pipe(Schema.withDecodingDefaultKey(Effect.succeed("web"))),
    orderId: first.orderId,
    coupon: Schema.NullOr(Schema.String),
    total: Money,
    gift: Schema.optionalKey(Schema.Boolean)
  }))
  const old = { _tag: "Placed", orderId, note: "ring twice", total: won(1) } as const

  it.effect("reads what an older version wrote, filling in defaults", () =>
    Effect.gen(function*() {
      const read = yield* v2.decode(yield* v1.encode(old), v1.avro)
      assert.deepStrictEqual(read, { _tag: "Placed", channel: "web", orderId, coupon: null, total: won(1) })
    }))

  it.effect("reads what a newer version wrote, leaving out what it does not know", () =>
    Effect.gen(function*() {
      const event = { _tag: "Placed", channel: "app", orderId, coupon: "WELCOME", total: won(1), gift: true } as const
      const bytes = yield* v2.encode(event)
      assert.deepStrictEqual(yield* v1.decode(bytes, v2.avro), { ...old, note: null })
      assert.deepStrictEqual(yield* v2.decode(bytes, v2.avro), event)
    }))

  it.effect("knows a writer by its content, not by the object or the order of attributes", () =>
    Effect.gen(function*() {
      const bytes = yield* v1.encode(old)
      const { fields, name, ...rest } = JSON.parse(v1.json)
      const again = { name, ...rest, fields }
      assert.notStrictEqual(JSON.stringify(again), v1.json)
      assert.strictEqual(fingerprint(again), v1.fingerprint)
      assert.deepStrictEqual(yield* v1.decode(bytes, again), old)
      assert.deepStrictEqual(yield* v2.decode(bytes, again), yield* v2.decode(bytes, v1.avro))
    }))

  it.effect("refuses a writer that is another event or means another unit", () =>
    Effect.gen(function*() {
      const timed = codec("Timed", "order", Schema.Struct({ at: Schema.DateTimeUtcFromMillis }))
      const bytes = yield* timed.encode({ at: DateTime.makeUnsafe(0) })
      const micros = JSON.parse(timed.json.replace("millis", "micros"))
      assert.notStrictEqual(fingerprint(micros), timed.fingerprint)
      const { message } = yield* Effect.flip(timed.decode(bytes, micros))
      assert.include(message, "Timed.at: logical type is timestamp-millis, was timestamp-micros")
      assert.instanceOf(yield* Effect.flip(timed.decode(bytes, v1.avro)), DecodeError)
    }))

  it("has one text and one fingerprint per schema", () => {
    assert.strictEqual(v1.json, canonical(v1.avro))
    assert.match(v1.fingerprint, /^[0-9a-f]{64}$/)
    assert.notStrictEqual(v1.fingerprint, v2.fingerprint)
    assert.strictEqual(codec("Placed", "order", Schema.TaggedStruct("Placed", first)).fingerprint, v1.fingerprint)
  })
})
