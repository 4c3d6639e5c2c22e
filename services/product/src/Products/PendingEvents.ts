import { Clock, Effect, Layer, Metric } from "effect"
import { SecureRandom } from "effect/crypto"
import type { ProductEvent } from "@marketplace/domain/Product/Events"
import * as Codecs from "@marketplace/events/Codecs"
import type { Envelope } from "@marketplace/events/Envelope"
import { currentOrigin } from "@marketplace/events/Outbox"
import type { OutboxSource } from "@marketplace/events/OutboxSource"
import * as Relay from "@marketplace/events/Relay"
import { Wakeups } from "@marketplace/events/Wakeups"
import { Mongo, type MongoRefused, type MongoUnavailable } from "@marketplace/mongo/Mongo"
import * as Metrics from "@marketplace/telemetry/Metrics"

/** An event that waits in the document of its aggregate, in the order of the sequence. */
type Pending = Omit<Envelope, "context" | "streamKey" | "occurredAt"> & { readonly occurredAt: Date }

/** What a document has beside its state so that one write can change it and say so. Its id is the stream key. */
export interface Carrier {
  readonly _id: string
  /** Counts events, also those that were published and removed from `pending`. */
  readonly sequence: number
  readonly pending: ReadonlyArray<Pending>
  /** When the first of `pending` was written, or one shortly before it; without `pending` the field is not there. */
  readonly waitingSince?: Date
}

export const collection = "products"

/** Sparse: as large as what waits, not as the collection. Only a filter with `$exists` uses it on Amazon DocumentDB. */
export const index = { key: { waitingSince: 1 }, name: "waiting", sparse: true } as const
const isWaiting = { waitingSince: { $exists: true, $gte: new Date(0) } }

const topic = `pending/${collection}`

interface WriterSchema {
  /** Fingerprint. */
  readonly _id: string
  readonly avro: string
}

const openSchemas = (mongo: typeof Mongo.Service) => mongo.collection<WriterSchema>("event_schemas")

/** What the repository needs to keep events. Stores the schemas this version writes with. */
export const make = Effect.gen(function*() {
  const mongo = yield* Mongo
  const random = yield* SecureRandom.SecureRandom
  const wakeups = yield* Wakeups
  const writers = Codecs.writersOf("product").map(({ avro, fingerprint }) => ({
    updateOne: { filter: { _id: fingerprint }, update: { $setOnInsert: { avro } }, upsert: true }
  }))
  // of instances that start at once, all but one may be told that the schema they insert is there: then it is found
  yield* mongo.run(() => openSchemas(mongo).bulkWrite(writers, { ordered: false })).pipe(
    Effect.retry({ times: 1, while: (error) => error._tag === "MongoRefused" && error.reason === "DUPLICATE" })
  )

  return {
    /** The events as they wait in their document, caused by what is consumed at the moment. */
    encode: Effect.fnUntraced(function*(id: string, after: number, events: ReadonlyArray<ProductEvent>) {
      const origin = yield* currentOrigin
      const occurredAt = new Date(yield* Clock.currentTimeMillis)
      return yield* Effect.forEach(events, (event, i) =>
        Effect.gen(function*() {
          const { body, fingerprint, streamKey, type } = yield* Codecs.encode(event)
          if (streamKey !== id) return yield* Effect.die(new Error(`${type} of ${streamKey} was told of ${id}`))
          const eventId = yield* random.uuidV7()
          const pending: Pending = { ...origin, id: eventId, type, sequence: after + i + 1, occurredAt, fingerprint, body }
          return pending
        }))
    }),
    /** After the write: its events can be on their way at once. */
    wake: wakeups.wake(topic)
  }
})

/**
 * The events that wait in documents. Nobody owns a stream: several instances may publish the same events, each in order,
 * since an event leaves its document only after it was published.
 */
export const source = Effect.gen(function*() {
  const mongo = yield* Mongo
  const wakeups = yield* Wakeups
  const documents = mongo.collection<Carrier>(collection)
  const gauge = Metrics.outboxPending("product.catalogue")

  const learn = Effect.fnUntraced(function*(events: ReadonlyArray<Pending>) {
    const unknown = [...new Set(events.map(({ fingerprint }) => fingerprint))].filter((one) => Codecs.writerOf(one) === undefined)
    if (unknown.length === 0) return
    const found = yield* mongo.run(() => openSchemas(mongo).find({ _id: { $in: unknown } }).toArray())
    for (const { avro } of found) Codecs.learn(avro)
  })

  /** Of documents, when they are many; bounded, since it is only looked at. */
  const count = mongo.run(() => documents.countDocuments(isWaiting, { limit: 10_000 }))

  const unmark = (ids: ReadonlyArray<string>) =>
    mongo.run(() => documents.updateMany({ _id: { $in: ids }, pending: { $size: 0 } }, { $unset: { waitingSince: "" } }))

  const made: OutboxSource<MongoRefused | MongoUnavailable> = {
    listener: yield* wakeups.listen(topic),
    next: Effect.fnUntraced(function*(limit) {
      const found = yield* mongo.run(() =>
        documents.find(isWaiting, { projection: { pending: 1 }, sort: { waitingSince: 1 }, limit }).toArray()
      )
      // whoever published them ended before it could say so
      const done = found.filter(({ pending }) => pending.length === 0).map(({ _id }) => _id)
      if (done.length > 0) yield* unmark(done)
      const waiting = found.flatMap(({ _id, pending }) => pending.map((event) => ({ streamKey: _id, event })))
      yield* learn(waiting.map(({ event }) => event))
      yield* Metric.update(gauge, found.length < limit ? waiting.length : yield* count)
      return waiting.slice(0, limit).map(({ event: { occurredAt, ...event }, streamKey }): Envelope => ({
        ...event,
        context: "product",
        streamKey,
        occurredAt: occurredAt.getTime()
      }))
    }),
    published: Effect.fnUntraced(function*(events) {
      if (events.length === 0) return
      const ids = Map.groupBy(events, ({ streamKey }) => streamKey)
      yield* mongo.run(() =>
        documents.bulkWrite([...ids].map(([_id, published]) => ({
          updateOne: { filter: { _id }, update: { $pull: { pending: { id: { $in: published.map(({ id }) => id) } } } } }
        })))
      )
      // an event that was written in between keeps the mark of its document
      yield* unmark([...ids.keys()])
    })
  }
  return made
})

/** Publishes what waits in documents, in the background, beside the other instances of the service. */
export const layer = Layer.effectDiscard(Effect.forkScoped(Relay.run("product", source, { name: "product.catalogue" }))).pipe(Layer.provide(Wakeups.layer))
