import { assert, it } from "@effect/vitest"
import avsc from "avsc"
import { Effect, Schema } from "effect"
import { codec } from "../src/Avro.ts"
import type { EventContext } from "../src/Topology.ts"

/**
 * Registers a property: whatever event the Schema allows comes back equal, and avsc itself, knowing nothing but the derived
 * JSON, reads the bytes and writes the same ones.
 */
export const roundTrips = <E>(name: string, context: EventContext, schema: Schema.Codec<E, unknown>, runs = 200): void => {
  const made = codec(name, context, schema)
  const independent = independentType(made.json)
  const equivalent = Schema.toEquivalence(schema)
  const encoded = Schema.encodeSync(schema)
  it.effect.prop(`${name} survives Avro`, [schema], ([event]) =>
    Effect.gen(function*() {
      const bytes = yield* made.encode(event)
      const rewritten = independent.toBuffer(independent.fromBuffer(Buffer.from(bytes)))
      assert.deepStrictEqual([...rewritten], [...bytes])
      const read = yield* made.decode(rewritten)
      assert.isTrue(equivalent(read, event))
      assert.deepStrictEqual(encoded(read), encoded(event))
    }), { arbitrary: { runs } })
}

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
