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

  /** Writes what the rule decided about the version it was read in, if that is still the one that is stored. */
  const decide = Effect.fnUntraced(function*<E>(id: ProductId, rule: Rule<E>) {
    const stored = yield* find(id)
    const current = yield* product(stored)
    const { events, state } = yield* Effect.fromResult(rule(current))
    if (state === current && events.length === 0) return state
    const pending = yield* pendingEvents.encode(id, stored.sequence, events)
    const [first] = pending
    const fields = yield* fieldsOf(state)
    const { matchedCount } = yield* run(() =>
      products.updateOne({ _id: id, version: stored.version }, {
        $set: { ...fields, version: stored.version + 1, sequence: stored.sequence + pending.length },
        ...(first === undefined ? {} : { $push: { pending: { $each: pending } }, $min: { waitingSince: first.occurredAt } })
      })
    )
    if (matchedCount === 0) return yield* new Outrun()
    if (first !== undefined) yield* pendingEvents.wake
    return state
  })

  const update = Effect.fn("ProductRepository.update")(<E>(id: ProductId, rule: Rule<E>) =>
    decide(id, rule).pipe(
      Effect.retry({ while: isOutrun, schedule: conflicts }),
      Effect.catchIf(isOutrun, Effect.die)
    )
  )

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
    updateAll: Effect.fn("ProductRepository.updateAll")((changes) =>
      Effect.forEach(changes, ({ id, rule }) => update(id, rule), { concurrency: 8, discard: true })
    )
  })
})).pipe(Layer.provide(Wakeups.layer))

class Find extends Request.TaggedClass("Find")<
  { readonly productId: ProductId },
  Omit<Stored, "pending">,
  ProductNotFound
> {}

/** Somebody else wrote first. */
class Outrun extends Schema.TaggedError<Outrun>()("Outrun", {}) {}
const isOutrun = (error: unknown): error is Outrun => error instanceof Outrun

/** As long as it takes, as one waits for a lock: whenever one is outrun, another one has come through. */
const conflicts = Schedule.min([Schedule.exponential("2 millis"), Schedule.spaced("50 millis")]).pipe(Schedule.jittered)

const projection = { pending: 0, waitingSince: 0 } as const

const encode = Schema.encodeEffect(Product)
const fieldsOf = (state: Product) => Effect.orDie(Effect.map(encode(state), ({ id: _, ...fields }) => fields))

const decode = Schema.decodeUnknownEffect(Product)
const product = ({ _id, ...fields }: Omit<Stored, "pending">) => Effect.orDie(decode({ ...fields, id: _id }))
