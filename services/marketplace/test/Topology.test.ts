import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Layer, Logger, Struct } from "effect"
import { SecureRandom } from "effect/crypto"
import type { SqlClient } from "effect/sql"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as Codecs from "@marketplace/events/Codecs"
import { DeadLetters } from "@marketplace/events/DeadLetters"
import type { Envelope } from "@marketplace/events/Envelope"
import { EventTransport, type Subscription } from "@marketplace/events/EventTransport"
import { Consumers as OrderConsumers } from "@marketplace/order/Consumers"
import { Orders } from "@marketplace/order/Orders"
import * as Database from "@marketplace/postgres/Database"
import { PostgresServer } from "@marketplace/postgres/PostgresServer"
import { Consumers as ProductConsumers } from "@marketplace/product/Consumers"
import { Products } from "@marketplace/product/Products"
import { Reservations } from "@marketplace/product/Reservations"
import { samples } from "@marketplace/schema/Snapshots/Samples"
import { consumed, type EventContext, external, published } from "@marketplace/schema/Topology"
import * as TestDatabase from "@marketplace/testing/TestDatabase"
import { Consumers as UserConsumers } from "@marketplace/user/Consumers"
import { Members } from "@marketplace/user/Members"
import { databaseSchemas } from "../src/Databases.ts"

const names = Struct.keys(samples)

const database = (service: EventContext) =>
  Layer.unwrap(Effect.map(PostgresServer, (server) =>
    Layer.fresh(Database.layer({ url: server.urlOf(`${service}_service`), service, maxConnections: 2 }))))

/**
 * Hands a service's consumer one event of every name there is, whatever it asked for, and gives the names that it has a
 * handler for. What a handler then asks of its service fails: that is parked, too, but for another reason.
 */
const handled = Effect.fnUntraced(function*<E, R>(
  service: EventContext,
  consumers: Layer.Layer<DeadLetters, E, EventTransport | SqlClient.SqlClient | R>,
  stubs: Layer.Layer<R>
) {
  const random = yield* SecureRandom.SecureRandom
  const subscribed = yield* Deferred.make<Subscription>()
  const transport = Layer.succeed(EventTransport, EventTransport.of({
    publish: () => Effect.void,
    subscribe: (subscription) => Effect.andThen(Deferred.succeed(subscribed, subscription), Effect.never)
  }))
  return yield* Effect.gen(function*() {
    const { list } = yield* DeadLetters
    const { handle, types } = yield* Deferred.await(subscribed)
    for (const name of names) {
      const envelope: Envelope = {
        ...(yield* Codecs.encode(samples[name])),
        id: yield* random.uuidV7(),
        streamKey: yield* random.uuidV7(),
        sequence: 1,
        occurredAt: 0,
        traceparent: null,
        causeId: null
      }
      yield* handle({ envelope }, () => Effect.void)
    }
    const letters = yield* list(100)
    const without = new Set(letters.filter(({ reason }) => reason?.includes("No handler")).map(({ type }) => type))
    return { handled: names.filter((name) => !without.has(name)).sort(), subscribed: [...types].sort() }
  }).pipe(Effect.provide(consumers.pipe(Layer.provide([transport, database(service), stubs]))))
})

const World = TestDatabase.layer(databaseSchemas).pipe(Layer.provideMerge([NodeCrypto.layerSecureRandom, Logger.layer([])]))

layer(World, { excludeTestServices: true })("the topology", (it) => {
  it.effect("names what the services' consumers have handlers for, and nothing else", () => Effect.gen(function*() {
    const found = {
      user: yield* handled("user", UserConsumers, Layer.mock(Members, {})),
      product: yield* handled("product", ProductConsumers, Layer.merge(Layer.mock(Products, {}), Layer.mock(Reservations, {}))),
      order: yield* handled("order", OrderConsumers, Layer.mock(Orders, {}))
    }
    for (const service of Struct.keys(found)) {
      const declared = [...consumed[service]].sort()
      assert.deepStrictEqual(found[service], { handled: declared, subscribed: declared }, service)
    }
    // it has no consumer to ask
    assert.deepStrictEqual(consumed.payment, [])
  }))

  it.effect("is closed: every event has one publisher, and a consumer or the world outside", () => Effect.sync(() => {
    const told = Struct.keys(published).flatMap((context) => Object.keys(published[context]))
    assert.strictEqual(new Set(told).size, told.length)
    const acted = Object.values<ReadonlyArray<string>>(consumed).flat()
    for (const name of acted) assert.include(told, name)
    for (const name of told) assert.strictEqual(acted.includes(name), !external.some((outside) => outside === name), name)
  }))
})
