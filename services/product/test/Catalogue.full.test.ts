import { assert, layer } from "@effect/vitest"
import { ConfigProvider, Effect, Exit, Layer, Schedule, Tracer } from "effect"
import { SecureRandom } from "effect/crypto"
import type { ProductId } from "@marketplace/domain/Product/Ids"
import type { Envelope } from "@marketplace/events/Envelope"
import { EventTransport, TransportUnavailable } from "@marketplace/events/EventTransport"
import * as Relay from "@marketplace/events/Relay"
import { isTemporary } from "@marketplace/events/Unavailability"
import { Wakeups } from "@marketplace/events/Wakeups"
import { Mongo } from "@marketplace/mongo/Mongo"
import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { inject } from "vitest"
import * as PendingEvents from "../src/Products/PendingEvents.ts"
import { ProductRepository } from "../src/Products/Repository.ts"
import * as RepositoryMongo from "../src/Products/RepositoryMongo.ts"
import { dearer, listed } from "./Catalogue/Listings.ts"
import { catalogueContract } from "./catalogueContract.ts"
import { newId } from "./World.ts"
import type {} from "@marketplace/testing/setup/servers"

/** A database of its own. */
const World = Layer.unwrap(Effect.map(newId, (id) =>
  Layer.fresh(RepositoryMongo.layer).pipe(
    Layer.provideMerge(Layer.fresh(Mongo.layerConfig)),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({
      env: { MONGODB_URL: inject("mongodbUrl"), MONGODB_DATABASE: `test-${id}` }
    })))
  ))).pipe(Layer.provideMerge(Layer.merge(SecureRandom.layerWebCrypto, Wakeups.layer)))

/** Does something to the server that all tests share; not to one that was given by its URL. */
const hit = (what: "kill9" | "restart") => {
  const program = `
    import { known } from ${JSON.stringify(new URL("../../../infra/local/Servers.ts", import.meta.url))}
    for (const server of known(["mongo"], ${JSON.stringify(inject("serversDirectory"))})) await server.${what}()`
  return Effect.promise(() => promisify(execFile)(process.execPath, ["--input-type=module-typescript", "-e", program]))
}

const isOurs = existsSync(join(inject("serversDirectory"), "mongo"))

/** A bounded wait for what servers and other fibers do. */
const eventually = <A, E, R>(look: Effect.Effect<A, E, R>) =>
  Effect.timeout(Effect.retry(look, Schedule.spaced("20 millis")), "20 seconds")

/** What is in the documents beside the products. */
const carriers = Effect.gen(function*() {
  const mongo = yield* Mongo
  return yield* mongo.run(() => mongo.collection<PendingEvents.Carrier>(PendingEvents.collection).find().toArray())
})

const isDrained = Effect.filterOrFail(
  carriers,
  (all) => all.every(({ pending, waitingSince }) => pending.length === 0 && waitingSince === undefined),
  () => "not yet"
)

catalogueContract({ store: "MongoDB", World, source: PendingEvents.source })

layer(World, { excludeTestServices: true })("the catalogue in MongoDB", (it) => {
  it.effect("changes several products with one read and one write", () => Effect.gen(function*() {
    const repository = yield* ProductRepository
    const listings = yield* Effect.replicateEffect(listed(), 5)
    const asked: Array<string> = []
    const tracer = Tracer.make({
      span: (options) => {
        asked.push(options.name)
        return new Tracer.NativeSpan(options)
      }
    })
    yield* Effect.withTracer(repository.updateAll(listings.map(({ id }, n) => ({ id, rule: dearer(n) }))), tracer)
    assert.deepStrictEqual(asked.filter((name) => name === "mongodb"), ["mongodb", "mongodb"])
  }))
})

layer(World, { excludeTestServices: true })("events that wait in MongoDB", (it) => {
  it.effect("are found by an index as large as what waits", () => Effect.gen(function*() {
    const mongo = yield* Mongo
    yield* listed()
    const indexes = yield* mongo.run(() => mongo.collection(PendingEvents.collection).listIndexes().toArray())
    assert.includeMembers(indexes.map(({ name }) => name), ["on_sale", "by_variant", "waiting"])
    const { next, published } = yield* PendingEvents.source
    yield* published(yield* next(10_000))
    const marked = (yield* carriers).filter(({ waitingSince }) => waitingSince !== undefined)
    assert.deepStrictEqual(marked, [])
  }))

  it.effect("leave no mark when their publisher ended before it could remove it", () => Effect.gen(function*() {
    const mongo = yield* Mongo
    const products = mongo.collection<PendingEvents.Carrier>(PendingEvents.collection)
    const { id } = yield* listed()
    yield* mongo.run(() => products.updateOne({ _id: id }, { $set: { pending: [] } }))
    const { next } = yield* PendingEvents.source
    yield* next(10)
    assert.isUndefined((yield* mongo.run(() => products.findOne({ _id: id })))?.waitingSince)
  }))

  it.effect("are published in order by several relays over a transport that fails, and removed", () => Effect.gen(function*() {
    const repository = yield* ProductRepository
    const sent: Array<Envelope> = []
    let calls = 0
    const transport = EventTransport.of({
      // each third time it fails, before or after it has taken what it was given
      publish: (_, events) =>
        Effect.suspend(() => {
          calls++
          if (calls % 6 !== 0) sent.push(...events)
          return calls % 3 === 0 ? new TransportUnavailable({ detail: "as planned", cause: calls }) : Effect.void
        }),
      subscribe: () => Effect.never
    })
    const relay = Relay.run("product", PendingEvents.source, { batch: 5 }).pipe(Effect.provideService(EventTransport, transport))
    yield* Effect.forkScoped(relay)
    yield* Effect.forkScoped(relay)
    const own = yield* Effect.forEach(Array.from({ length: 8 }), () => listed())
    const write = (id: ProductId) => Effect.forEach([1, 2, 3, 4], (n) => repository.update(id, dearer(n)))
    yield* Effect.forEach(own, ({ id }) => write(id), { concurrency: "unbounded" })
    yield* eventually(isDrained)

    const firsts = new Map<string, Envelope>()
    for (const event of sent) if (!firsts.has(event.id)) firsts.set(event.id, event)
    for (const { id } of own) {
      const sequences = [...firsts.values()].filter(({ streamKey }) => streamKey === id).map(({ sequence }) => sequence)
      assert.deepStrictEqual(sequences, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    }
  }))

  it.effect.skipIf(!isOurs)("survive kill -9 with their state; meanwhile all has to wait", () => Effect.gen(function*() {
    const repository = yield* ProductRepository
    const product = yield* listed()
    yield* repository.update(product.id, dearer(2))
    yield* hit("kill9")
    const asked: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
      repository.get(product.id),
      repository.update(product.id, dearer(1)),
      repository.listActive({ before: undefined, limit: 10 })
    ]
    const exits = yield* Effect.forEach(asked, Effect.exit, { concurrency: "unbounded" }).pipe(
      Effect.timeout("10 seconds"),
      Effect.ensuring(hit("restart"))
    )
    assert.deepStrictEqual(exits.map((exit) => Exit.isFailure(exit) && isTemporary(exit.cause)), [true, true, true])

    const found = yield* eventually(Effect.catchCause(repository.get(product.id), () => Effect.fail("away")))
    assert.strictEqual(found.variants[0]?.price.amount, 15_901)
    const { next } = yield* PendingEvents.source
    const own = (yield* next(1_000)).filter(({ streamKey }) => streamKey === product.id)
    assert.deepStrictEqual(own.map(({ sequence }) => sequence), [1, 2, 3])
  }))
})
