import { Effect, Exit, Layer, Request, RequestResolver, Schedule, Schema } from "effect"
import type { Change } from "@marketplace/domain/Change"
import type { ProductEvent } from "@marketplace/domain/Product/Events"
import type { ProductId, VariantId } from "@marketplace/domain/Product/Ids"
import { Product, ProductNotFound } from "@marketplace/domain/Product/Product"
import { Wakeups } from "@marketplace/events/Wakeups"
import { Mongo, untilThere } from "@marketplace/mongo/Mongo"
import * as PendingEvents from "./PendingEvents.ts"
import { ProductRepository, type Rule } from "./Repository.ts"

/** A product, with the events that are not published yet: one document, one write. */
interface Stored extends Omit<typeof Product.Encoded, "id">, PendingEvents.Carrier {
  /** Counts changes; a write goes through only from the version it read. */
  readonly version: number
}

/** The catalogue in MongoDB. Building the layer waits up to a minute for the server to be there. */
export const layer = Layer.effect(ProductRepository, Effect.gen(function*() {
  const mongo = yield* Mongo
  const products = mongo.collection<Stored>(PendingEvents.collection)
  const run = <A>(command: () => Promise<A>) => Effect.orDie(mongo.run(command))
  yield* mongo.run(() =>
    products.createIndexes([
      { key: { status: 1, _id: -1 }, name: "on_sale" },
      { key: { "variants.id": 1 }, name: "by_variant" },
      PendingEvents.index
    ])
  ).pipe(untilThere("product"))
  const pendingEvents = yield* untilThere("product")(PendingEvents.make)

  const insert = Effect.fn("ProductRepository.insert")(function*({ events, state }: Change<Product, ProductEvent>) {
    const pending = yield* pendingEvents.encode(state.id, 0, events)
    const [first] = pending
    const document: Stored = {
      _id: state.id,
      ...(yield* fieldsOf(state)),
      version: 1,
      sequence: pending.length,
      pending,
      ...(first === undefined ? {} : { waitingSince: first.occurredAt })
    }
    yield* mongo.run(() => products.insertOne(document)).pipe(
      Effect.andThen(first === undefined ? Effect.void : pendingEvents.wake),
      Effect.catchIf((error) => error._tag === "MongoRefused" && error.reason === "DUPLICATE", () => Effect.void),
      Effect.orDie
    )
  })

  /** Reads that come at the same time are one command. */
  const byId = RequestResolver.make<Find>(Effect.fnUntraced(function*(entries) {
    const ids = entries.map(({ request }) => request.productId)
    const found = yield* run(() => products.find({ _id: { $in: ids } }, { projection }).toArray())
    const stored = new Map(found.map((document) => [document._id, document]))
    for (const { completeUnsafe, request: { productId } } of entries) {
      const document = stored.get(productId)
      completeUnsafe(document === undefined ? Exit.fail(new ProductNotFound({ productId })) : Exit.succeed(document))
    }
  }))

  const find = (productId: ProductId) => Effect.request(new Find({ productId }), byId)

  const decide = Effect.fnUntraced(function*<E>(wanted: Wanted<E>) {
    const stored = yield* find(wanted.id)
    const current = yield* product(stored)
    const change = yield* Effect.fromResult(wanted.rule(current))
    return { wanted, stored, change, isNews: change.state !== current || change.events.length > 0 }
  })

  const writeOf = Effect.fnUntraced(function*({ change: { events, state }, stored: { _id, sequence, version } }: Decided) {
    const pending = yield* pendingEvents.encode(_id, sequence, events)
    const [first] = pending
    const update = {
      $set: { ...(yield* fieldsOf(state)), version: version + 1, sequence: sequence + pending.length },
      ...(first === undefined ? {} : { $push: { pending: { $each: pending } }, $min: { waitingSince: first.occurredAt } })
    }
    return { updateOne: { filter: { _id, version }, update } }
  })

  /** Writes those that are still of the version that was read, and gives how many they were: MongoDB does not say which. */
  const store = Effect.fnUntraced(function*(decided: ReadonlyArray<Decided>) {
    const writes = yield* Effect.forEach(decided, writeOf)
    const { matchedCount } = yield* run(() => products.bulkWrite(writes, { ordered: false }))
    if (matchedCount > 0 && decided.some(({ change: { events } }) => events.length > 0)) yield* pendingEvents.wake
    return matchedCount
  })

  const update = Effect.fn("ProductRepository.update")(<E>(id: ProductId, rule: Rule<E>) =>
    Effect.gen(function*() {
      const decided = yield* decide({ id, rule })
      if (decided.isNews && (yield* store([decided])) === 0) return yield* new Outrun()
      return decided.change.state
    }).pipe(
      Effect.retry({ while: isOutrun, schedule: conflicts }),
      Effect.catchIf(isOutrun, Effect.die)
    )
  )

  const updateAll = Effect.fn("ProductRepository.updateAll")(function*<E>(changes: ReadonlyArray<Wanted<E>>) {
    const decided = (yield* Effect.forEach(changes, decide, { concurrency: "unbounded" })).filter(({ isNews }) => isNews)
    if (decided.length === 0 || (yield* store(decided)) === decided.length) return
    // those that went through have nothing left to do
    yield* Effect.forEach(decided, ({ wanted: { id, rule } }) => update(id, rule), { concurrency: 8, discard: true })
  })

  return ProductRepository.of({
    insert,
    missing: Effect.fn("ProductRepository.missing")((ids: ReadonlyArray<ProductId>) =>
      run(() => products.find({ _id: { $in: [...ids] } }, { projection: { _id: 1 } }).toArray()).pipe(
        Effect.map((found) => {
          const there = new Set<string>(found.map(({ _id }) => _id))
          return ids.filter((id) => !there.has(id))
        })
      )
    ),
    get: Effect.fn("ProductRepository.get")((id: ProductId) => Effect.flatMap(find(id), product)),
    listActive: Effect.fn("ProductRepository.listActive")(({ before, limit }) => {
      const filter = { status: "ACTIVE", ...(before === undefined ? {} : { _id: { $lt: before } }) } as const
      return run(() => products.find(filter, { projection, sort: { _id: -1 }, limit }).toArray()).pipe(
        Effect.flatMap(Effect.forEach(product))
      )
    }),
    byVariants: Effect.fn("ProductRepository.byVariants")((variants: ReadonlyArray<VariantId>) =>
      run(() => products.find({ "variants.id": { $in: [...variants] } }, { projection }).toArray()).pipe(
        Effect.flatMap(Effect.forEach(product))
      )
    ),
    update,
    updateAll
  })
})).pipe(Layer.provide(Wakeups.layer))

/** A document without what waits in it. */
type Read = Omit<Stored, "pending" | "waitingSince">

class Find extends Request.TaggedClass("Find")<{ readonly productId: ProductId }, Read, ProductNotFound> {}

interface Wanted<E> {
  readonly id: ProductId
  readonly rule: Rule<E>
}

/** What a rule made of a document. */
interface Decided {
  readonly stored: Read
  readonly change: Change<Product, ProductEvent>
}

/** Somebody else wrote first. */
class Outrun extends Schema.TaggedError<Outrun>()("Outrun", {}) {}
const isOutrun = (error: unknown): error is Outrun => error instanceof Outrun

/** As long as it takes, as one waits for a lock: whenever one is outrun, another one has come through. */
const conflicts = Schedule.min([Schedule.exponential("2 millis"), Schedule.spaced("50 millis")]).pipe(Schedule.jittered)

const projection = { pending: 0, waitingSince: 0 } as const

const encode = Schema.encodeEffect(Product)
const fieldsOf = (state: Product) => Effect.orDie(Effect.map(encode(state), ({ id: _, ...fields }) => fields))

const decode = Schema.decodeUnknownEffect(Product)
const product = ({ _id, ...fields }: Read) => Effect.orDie(decode({ ...fields, id: _id }))
