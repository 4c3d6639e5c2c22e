import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { SecureRandom } from "effect/crypto"
import * as Avro from "@marketplace/schema/Avro"
import { published } from "@marketplace/schema/Topology"
import * as Codecs from "../src/Codecs.ts"
import { partitionOf } from "../src/Partition.ts"
import * as World from "./World.ts"

const key = "01890a5d-ac96-774b-bcce-b302099a8057"

it.effect("writes every event of the topology, each with a schema of its own", () =>
  Effect.sync(() => {
    for (const context of ["user", "product", "order", "payment"] as const) {
      const writers = Codecs.writersOf(context)
      const names = writers.map(({ avro }) => JSON.parse(avro).name)
      assert.deepStrictEqual(names, Object.keys(published[context]))
      for (const { avro, fingerprint } of writers) assert.strictEqual(Codecs.writerOf(fingerprint), avro)
    }
  }))

it.effect("takes the stream key that the topology says", () =>
  Effect.gen(function*() {
    assert.strictEqual((yield* Codecs.encode(World.statusChanged(key))).streamKey, key)
    const encoded = yield* Codecs.encode(World.stockChanged(key, 3))
    assert.deepInclude(encoded, { context: "product", type: "ProductStockChanged", streamKey: key })
  }))

it.effect("reads what it wrote, and what a known other version wrote", () =>
  Effect.gen(function*() {
    const own = yield* World.envelope(World.stockChanged(key, 3), 1)
    assert.deepStrictEqual(yield* Codecs.decode(own), World.stockChanged(key, 3))
    const schema: Avro.AvroRecord = JSON.parse(Codecs.writerOf(own.fingerprint)!)
    const newer = { ...schema, fields: [...schema.fields, { name: "reason", type: ["null", "string"], default: null }] }
    const written = { ...own, fingerprint: Avro.fingerprint(newer), body: new Uint8Array([...own.body, 0]) }
    assert.include((yield* Effect.flip(Codecs.decode(written))).message, "nobody knows the schema")
    assert.strictEqual(Codecs.learn(Avro.canonical(newer)), written.fingerprint)
    assert.deepStrictEqual(yield* Codecs.decode(written), World.stockChanged(key, 3))
  }).pipe(Effect.provide(SecureRandom.layerWebCrypto)))

it.effect("says of what nobody can read that trying again is of no use", () =>
  Effect.gen(function*() {
    const own = yield* World.envelope(World.stockChanged(key, 3), 1)
    for (const broken of [{ body: own.body.slice(1) }, { body: new Uint8Array() }, { fingerprint: "unframed" }]) {
      const refused = yield* Effect.flip(Codecs.decode({ ...own, ...broken }))
      assert.strictEqual(refused._tag, "CannotDecode")
    }
    assert.isUndefined(Codecs.learn("not a schema"))
    assert.isUndefined(Codecs.learn("[]"))
  }).pipe(Effect.provide(SecureRandom.layerWebCrypto)))

it.effect("keeps streams in the partitions where their events are stored", () =>
  Effect.sync(() => {
    // FNV-1a of "a" is 0xe40c292c, in every implementation.
    assert.strictEqual(partitionOf("a", 2 ** 32), 0xe40c292c)
    assert.deepStrictEqual([4, 8].map((count) => partitionOf(key, count)), [3, 3])
  }))
