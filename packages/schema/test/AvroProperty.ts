import { assert, it } from "@effect/vitest"
import avsc from "avsc"
import { Effect, Schema } from "effect"
import { codec, EncodeError } from "../src/Avro.ts"
import type { EventContext } from "../src/Topology.ts"

/**
 * Registers a property: whatever event the Schema allows comes back equal, and avsc itself, knowing nothing but the derived
 * JSON, reads the bytes and writes the same ones. Text that UTF-8 cannot hold and bigints
 * beyond 64 bits are generated too, and must be refused.
 */
export const roundTrips = <E>(name: string, context: EventContext, schema: Schema.Codec<E, unknown>, runs = 200): void => {
  const made = codec(name, context, schema)
  const independent = independentType(made.json)
  const equivalent = Schema.toEquivalence(schema)
  const encode = Schema.encodeSync(schema)
  it.effect.prop(`${name} survives Avro`, [schema], ([event]) =>
    Effect.gen(function*() {
      const before = described(encode(event))
      if (!before.writable) {
        assert.instanceOf(yield* Effect.flip(made.encode(event)), EncodeError)
        return
      }
      const bytes = yield* made.encode(event)
      if (!before.lostByAvsc) {
        assert.deepStrictEqual([...independent.toBuffer(independent.fromBuffer(Buffer.from(bytes)))], [...bytes])
      }
      const after = yield* made.decode(bytes)
      assert.isTrue(equivalent(after, event))
      assert.deepStrictEqual(described(encode(after)), before)
    }), { arbitrary: { runs } })
}

/** `text` tells absent from null, which equivalence need not; -0 is 0 in it, as in Avro. */
const described = (encoded: unknown) => {
  let writable = true
  // avsc reads maps into an object by assignment.
  let lostByAvsc = false
  const text = JSON.stringify(encoded, (key, value) => {
    writable &&= isWritable(key) && isWritable(value)
    lostByAvsc ||= key === "__proto__"
    return typeof value === "bigint" ? `${value}n` : value
  })
  return { text, writable, lostByAvsc }
}

const isWritable = (value: unknown): boolean =>
  typeof value === "bigint" ? BigInt.asIntN(64, value) === value : typeof value !== "string" || value.isWellFormed()

/** avsc as it ships, with longs as the bigints of its documentation: its default long is not exact. */
export const independentType = (json: string): avsc.Type =>
  avsc.Type.forSchema(JSON.parse(json), {
    typeHook: (schema) =>
      schema === "long" || typeof schema === "object" && "type" in schema && schema.type === "long" ? bigLong : undefined
  })

const bigLong = avsc.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(value)
    return bytes
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (value: unknown) => typeof value === "bigint",
  compare: (left: bigint, right: bigint) => left === right ? 0 : left < right ? -1 : 1
})
