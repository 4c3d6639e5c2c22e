import { assert, layer } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Redacted, Result, Schedule } from "effect"
import { SecureRandom } from "effect/crypto"
import { OrderStatusChanged } from "@marketplace/domain/Order/Events"
import { OrderId } from "@marketplace/domain/Order/Ids"
import { create, Product, Variant } from "@marketplace/domain/Product/Product"
import { MemberCreated } from "@marketplace/domain/User/Events"
import { MemberId } from "@marketplace/domain/User/Ids"
import * as Codecs from "@marketplace/events/Codecs"
import type { Envelope } from "@marketplace/events/Envelope"
import { EventTransport } from "@marketplace/events/EventTransport"
import { layerKafka } from "@marketplace/events/TransportKafka"
import { Wakeups } from "@marketplace/events/Wakeups"
import { Mongo } from "@marketplace/mongo/Mongo"
import * as Database from "@marketplace/postgres/Database"
import { ProductRepository } from "@marketplace/product/Products/Repository"
import * as ProductRepositoryMongo from "@marketplace/product/Products/RepositoryMongo"
import type { EventContext, MarketplaceEvent } from "@marketplace/schema/Topology"
import type {} from "@marketplace/testing/setup/servers"
import { inject } from "vitest"
import { product } from "../src/Seed/Data.ts"
import * as Documents from "../src/Verify/Documents.ts"
import * as Stores from "../src/Verify/Stores.ts"
import * as Topics from "../src/Verify/Topics.ts"

const uuid = SecureRandom.SecureRandom.use((random) => random.uuidV7())

/** Topics and a database of its own on the servers of the test run. */
const World = Layer.unwrap(Effect.map(uuid, (id) =>
  Layer.merge(layerKafka, ProductRepositoryMongo.layer.pipe(Layer.provideMerge(Mongo.layerConfig))).pipe(
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({
      env: {
        KAFKA_BROKERS: inject("kafkaBrokers"),
        KAFKA_PREFIX: `verify-${id}.`,
        SCHEMA_REGISTRY_URL: inject("schemaRegistryUrl"),
        MONGODB_URL: inject("mongodbUrl"),
        MONGODB_DATABASE: `verify-${id}`
      }
    })))
  ))).pipe(Layer.provideMerge([SecureRandom.layerWebCrypto, Wakeups.layer]))

const newYear = "2026-01-01T00:00:00.000Z"

const told = Effect.fnUntraced(function*(sequence: number, event: MarketplaceEvent) {
  const encoded = yield* Codecs.encode(event)
  const about = { id: yield* uuid, sequence, occurredAt: Date.parse(newYear), traceparent: null, causeId: null }
  return { ...encoded, ...about } satisfies Envelope
})

const publish = (context: EventContext, events: ReadonlyArray<Envelope>) =>
  EventTransport.use((transport) => transport.publish(context, events)).pipe(
    Effect.retry({ times: 100, schedule: Schedule.spaced("100 millis") })
  )

const moves = Effect.fnUntraced(function*(count: number) {
  const [orderId, memberId] = [OrderId.make(yield* uuid), MemberId.make(yield* uuid)]
  const move = { scope: "order", sellerOrderId: null, from: "A", to: "B", cause: "test" } as const
  const event = OrderStatusChanged.make({ orderId, memberId, ...move })
  return yield* Effect.forEach(Array.from({ length: count }, (_, n) => n + 1), (sequence) => told(sequence, event))
})

layer(World, { excludeTestServices: true, timeout: "60 seconds" })("verify on the full profile", (it) => {
  it.effect("reads what the topics carry, once each and in order, and waits for what is expected", () => Effect.gen(function*() {
    const orders = yield* Effect.all([moves(20), moves(20), moves(20)])
    const member = yield* told(1, MemberCreated.make({ memberId: MemberId.make(yield* uuid) }))
    for (const events of orders) yield* publish("order", events)
    // a relay that died before it could mark what it had published
    for (const events of orders) yield* publish("order", events.slice(10))
    yield* publish("user", [member])

    const expected = [...orders.flat(), member]
    const carried = yield* Effect.timeout(Topics.read(new Set(expected.map(({ id }) => id))), "25 seconds")
    assert.strictEqual(carried.length, expected.length)
    for (const events of [...orders, [member]]) {
      const stream = carried.filter(({ stream_key }) => stream_key === events[0]!.streamKey)
      assert.deepStrictEqual(
        stream.map(({ context, event_id, occurred_at, sequence, type }) => ({ context, event_id, occurred_at, sequence, type })),
        events.map(({ context, id, sequence, type }) => ({ context, event_id: id, occurred_at: newYear, sequence, type }))
      )
    }

    const lost = yield* told(2, MemberCreated.make({ memberId: MemberId.make(yield* uuid) }))
    const again = yield* Topics.read(new Set([member.id, lost.id]), "3 seconds")
    assert.deepStrictEqual(again.map(({ event_id }) => event_id).sort(), expected.map(({ id }) => id).sort())
  }), 60_000)

  it.effect("reads what documents show, and since when their events wait", () => Effect.gen(function*() {
    const repository = yield* ProductRepository
    const [first, second] = [0, 1].map((n) => product(n).product)
    assert(first !== undefined && second !== undefined)
    yield* repository.insert(create(first))
    yield* repository.insert({ state: second, events: [] })
    const sold = { available: 7, sold: 3, stockSequence: 5 }
    yield* repository.update(second.id, (product) =>
      Result.succeed({
        state: new Product({ ...product, variants: product.variants.map((variant) => new Variant({ ...variant, ...sold })) }),
        events: []
      }))
    const shown = (yield* Documents.read).toSorted((a, b) => a.product_id < b.product_id ? -1 : 1)
    const expected = [
      { product: first, available: 100, sold: 0, sequence: 0 },
      { product: second, available: 7, sold: 3, sequence: 5 }
    ]
    assert.deepStrictEqual(
      shown.map(({ waiting_since: _, ...row }) => row),
      expected.map(({ available, product, sequence, sold }) => ({
        product_id: product.id,
        enterprise_id: product.enterpriseId,
        variant_id: product.variants[0]!.id,
        available,
        sold,
        stock_sequence: sequence
      }))
    )
    assert.isAbove(Date.parse(shown[0]!.waiting_since ?? ""), Date.now() - 60_000)
    assert.isNull(shown[1]!.waiting_since)
  }))

  it.effect("says who does not answer, and keeps passwords to itself", () => Effect.gen(function*() {
    const nobody = "127.0.0.1:1"
    const silent = {
      KAFKA_BROKERS: nobody,
      SCHEMA_REGISTRY_URL: `http://me:secret@${nobody}`,
      MONGODB_URL: `mongodb://me:secret@${nobody}/?directConnection=true`
    }
    const installation = (servers: Record<string, string>) => ({ runs: false, inDocuments: true, servers })
    const log = (servers: Record<string, string>) =>
      Effect.provide(
        Stores.log(installation(servers)),
        Database.layer({ url: Redacted.make(inject("postgresOwnerUrl")), service: "test", maxConnections: 1 })
      )
    const advice = "does not answer: start it (node marketplace.mjs start:full) and check again"
    assert.deepStrictEqual(yield* log(silent), { missing: `Kafka at ${nobody} ${advice}` })
    assert.deepStrictEqual(yield* log({ ...silent, KAFKA_BROKERS: inject("kafkaBrokers") }), {
      missing: `The schema registry at ${nobody} ${advice}`
    })
    assert.deepStrictEqual(yield* Stores.catalogue(installation(silent)), { missing: `MongoDB at ${nobody} ${advice}` })
  }))
})
