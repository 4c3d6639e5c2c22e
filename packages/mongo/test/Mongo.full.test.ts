import { assert, layer } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Fiber, Layer, Schedule } from "effect"
import { SecureRandom } from "effect/crypto"
import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { inject } from "vitest"
import { Mongo, untilThere } from "../src/Mongo.ts"
import type {} from "../../testing/src/setup/servers.ts"

const at = (url: string, database: string) =>
  Mongo.layerConfig.pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({
    env: { MONGODB_URL: url, MONGODB_DATABASE: database }
  }))))

const World = Layer.unwrap(SecureRandom.SecureRandom.use((random) => random.uuidV4()).pipe(
  Effect.map((id) => at(inject("mongodbUrl"), `test-${id}`)),
  Effect.provide(SecureRandom.layerWebCrypto)
))

/** Does something to the server that all tests share. Not to one that was given by its URL: then it does nothing. */
const hit = (what: "kill9" | "restart" | "sigstop" | "sigcont") => {
  const program = `
    import { known } from ${JSON.stringify(new URL("../../../infra/local/Servers.ts", import.meta.url))}
    for (const server of known(["mongo"], ${JSON.stringify(inject("serversDirectory"))})) await server.${what}()`
  return Effect.promise(() => promisify(execFile)(process.execPath, ["--input-type=module-typescript", "-e", program]))
}

const isOurs = existsSync(join(inject("serversDirectory"), "mongo"))

/** A bounded wait for what the server and other fibers do. */
const eventually = <A, E, R>(look: Effect.Effect<A, E, R>) =>
  Effect.timeout(Effect.retry(look, Schedule.spaced("20 millis")), "15 seconds")

const recovered = Mongo.use((mongo) => eventually(mongo.ping))

interface Word {
  readonly _id: string
  readonly seen: number
}

layer(World, { excludeTestServices: true })("a connection to MongoDB", (it) => {
  it.effect("tells a duplicate from a wrong command", () => Effect.gen(function*() {
    const mongo = yield* Mongo
    const words = mongo.collection<Word>("words")
    yield* mongo.run(() => words.insertOne({ _id: "once", seen: 1 }))
    const again = yield* Effect.flip(mongo.run(() => words.insertOne({ _id: "once", seen: 2 })))
    assert.deepStrictEqual([again._tag, again._tag === "MongoRefused" && again.reason], ["MongoRefused", "DUPLICATE"])
    const wrong = yield* Effect.flip(mongo.run(() => words.find({ $nothing: 1 }).toArray()))
    assert.deepStrictEqual([wrong._tag, wrong._tag === "MongoRefused" && wrong.reason], ["MongoRefused", "INVALID"])
    const mistake = yield* Effect.flip(mongo.run(() => Promise.reject(new TypeError("a mistake of ours"))))
    assert.strictEqual(mistake._tag, "MongoRefused")
  }))

  it.effect("gives binary values back as bytes", () => Effect.gen(function*() {
    const mongo = yield* Mongo
    const bodies = mongo.collection<{ readonly _id: string; readonly body: Uint8Array }>("bodies")
    yield* mongo.run(() => bodies.insertOne({ _id: "one", body: new Uint8Array([0, 1, 255]) }))
    const found = yield* mongo.run(() => bodies.findOne({ _id: "one" }))
    assert.instanceOf(found?.body, Uint8Array)
    assert.deepStrictEqual([...found?.body ?? []], [0, 1, 255])
  }))

  it.effect("starts while MongoDB is away, and says so within seconds", () =>
    Effect.gen(function*() {
      const mongo = yield* Mongo
      const error = yield* Effect.flip(Effect.timeout(mongo.ping, "6 seconds"))
      assert.strictEqual(error._tag, "MongoUnavailable")
    }).pipe(Effect.provide(Layer.fresh(at("mongodb://127.0.0.1:1/?directConnection=true", "nowhere")))))

  it.effect.skipIf(!isOurs)("fails within seconds while the server is killed, recovers, and has lost nothing acknowledged", () =>
    Effect.gen(function*() {
      const mongo = yield* Mongo
      const words = mongo.collection<Word>("acknowledged")
      const written: Array<string> = []
      const write = Effect.suspend(() => {
        const word = `word-${written.length}`
        return Effect.tap(mongo.run(() => words.insertOne({ _id: word, seen: 1 })), () => Effect.sync(() => written.push(word)))
      })
      const writing = yield* Effect.forkChild(Effect.flip(Effect.forever(write)))
      yield* eventually(Effect.suspend(() => written.length < 50 ? Effect.fail("too few") : Effect.void))
      yield* hit("kill9")
      assert.strictEqual((yield* Effect.timeout(Fiber.join(writing), "10 seconds"))._tag, "MongoUnavailable")
      const read = mongo.run(() => words.findOne({ _id: "word-0" }))
      assert.strictEqual((yield* Effect.flip(Effect.timeout(read, "10 seconds")))._tag, "MongoUnavailable")
      const bulk = mongo.run(() => words.bulkWrite([{ insertOne: { document: { _id: "bulk", seen: 1 } } }]))
      assert.strictEqual((yield* Effect.flip(Effect.timeout(bulk, "10 seconds")))._tag, "MongoUnavailable")

      const begun = Context.get(yield* Layer.build(Layer.fresh(at(inject("mongodbUrl"), "begun-without"))), Mongo)
      assert.strictEqual((yield* Effect.flip(Effect.timeout(begun.ping, "6 seconds")))._tag, "MongoUnavailable")

      const atBoot = yield* Effect.forkChild(untilThere("test")(mongo.ping))
      yield* hit("restart")
      yield* recovered
      yield* Effect.timeout(Fiber.join(atBoot), "15 seconds")
      yield* eventually(begun.ping)
      const kept = new Set((yield* mongo.run(() => words.find().toArray())).map(({ _id }) => _id))
      assert.deepStrictEqual(written.filter((word) => !kept.has(word)), [])
    }))

  it.effect.skipIf(!isOurs)("does not wait for a server that does not answer", () => Effect.gen(function*() {
    const mongo = yield* Mongo
    yield* recovered
    const words = mongo.collection<Word>("frozen")
    yield* hit("sigstop")
    const write = mongo.run(() => words.insertOne({ _id: "late", seen: 1 }))
    const bulk = mongo.run(() => words.bulkWrite([{ insertOne: { document: { _id: "bulk", seen: 1 } } }]))
    const errors = yield* Effect.all([Effect.flip(write), Effect.flip(bulk)], { concurrency: "unbounded" }).pipe(
      Effect.timeout("15 seconds"),
      Effect.ensuring(hit("sigcont"))
    )
    assert.deepStrictEqual(errors.map(({ _tag }) => _tag), ["MongoUnavailable", "MongoUnavailable"])
    yield* recovered
  }))
})
