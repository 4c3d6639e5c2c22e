import { assert, layer } from "@effect/vitest"
import { Duration, Effect, Fiber, Latch, Layer, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { OrderId } from "@marketplace/domain/Order/Ids"
import { ProductId, VariantId } from "@marketplace/domain/Product/Ids"
import { StockRepository } from "../src/Stock/Repository.ts"
import { database, newId } from "./World.ts"

const World = StockRepository.layer.pipe(Layer.provideMerge(database))

const newOrder = Effect.map(newId, (id) => OrderId.make(id))
const review = Duration.minutes(35)

/** A variant of which there are so many units. */
const stocked = Effect.fnUntraced(function*(onHand: number) {
  const stock = yield* StockRepository
  const variantId = VariantId.make(yield* newId)
  yield* stock.insert({ variantId, productId: ProductId.make(yield* newId), onHand })
  return variantId
})

const hold = Effect.fnUntraced(function*(order: OrderId, ...wanted: ReadonlyArray<readonly [VariantId, number]>) {
  const stock = yield* StockRepository
  return yield* stock.hold(order, wanted.map(([variantId, quantity]) => ({ variantId, quantity })), review)
})

const inTransaction = (what: "commit" | "release") =>
  Effect.fnUntraced(function*(...orders: ReadonlyArray<OrderId>) {
    const stock = yield* StockRepository
    const sql = yield* SqlClient.SqlClient
    yield* sql.withTransaction(stock[what](orders.map((orderId) => ({ orderId }))))
  })
const commit = inTransaction("commit")
const release = inTransaction("release")

const countersOf = (variant: VariantId) =>
  SqlClient.SqlClient.use((sql) => sql`select on_hand, held, committed from stock where variant_id = ${variant}`).pipe(
    Effect.map(([row]) => row)
  )

/** What must hold whatever happened; each query finds what does not. */
const assertBooksAreRight = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  assert.deepStrictEqual(
    yield* sql`select s.variant_id from stock s left join reservation r using (variant_id) group by s.variant_id
      having s.held <> coalesce(sum(r.held), 0) or s.committed <> coalesce(sum(r.committed), 0)`,
    [],
    "counters are the sums of the reservations"
  )
  assert.deepStrictEqual(
    yield* sql`select s.variant_id from stock s left join stock_movement m using (variant_id) group by s.variant_id having
      s.on_hand <> coalesce(sum(m.quantity) filter (where m.kind = 'SEED'), 0)
      or s.held + s.committed <> coalesce(sum(m.quantity) filter (where m.kind = 'HOLD'), 0)
        - coalesce(sum(m.quantity) filter (where m.kind = 'RELEASE'), 0)
      or s.committed <> coalesce(sum(m.quantity) filter (where m.kind = 'COMMIT'), 0)`,
    [],
    "movements lead to the counters"
  )
  assert.deepStrictEqual(
    yield* sql`select s.variant_id from stock s left join outbox o on o.stream_key = s.variant_id::text group by s.variant_id
      having s.sequence <> count(o.sequence) or s.sequence <> coalesce(max(o.sequence), 0)`,
    [],
    "each change told its event, without a gap"
  )
})

layer(World, { excludeTestServices: true })("stock", (it) => {
  it.effect("sells one unit to one of 200 buyers", () => Effect.gen(function*() {
    const variant = yield* stocked(1)
    const buy = Effect.flatMap(newOrder, (order) => hold(order, [variant, 1]))
    const answers = yield* Effect.all(Array.from({ length: 200 }, () => Effect.result(buy)), { concurrency: "unbounded" })
    const refusals = answers.flatMap((answer) => answer._tag === "Failure" ? [answer.failure._tag] : [])
    assert.deepStrictEqual(refusals, Array.from({ length: 199 }, () => "OutOfStock"))
    assert.deepStrictEqual(yield* countersOf(variant), { onHand: 1, held: 1, committed: 0 })
    yield* assertBooksAreRight
  }))

  it.effect("sells 50 units to 500 buyers, who pay or give up", () => Effect.gen(function*() {
    const variant = yield* stocked(50)
    const buy = Effect.fnUntraced(function*(n: number) {
      const order = yield* newOrder
      yield* hold(order, [variant, 1])
      yield* n % 5 === 0 ? release(order) : commit(order)
    })
    const first = yield* Effect.all(Array.from({ length: 500 }, (_, n) => Effect.result(buy(n))), { concurrency: "unbounded" })
    const bought = first.filter((answer, i) => answer._tag === "Success" && i % 5 !== 0)
    // units that were given up late may be left: they go to whoever comes next
    const late = yield* Effect.all(Array.from({ length: 50 }, () => Effect.result(buy(1))), { concurrency: "unbounded" })
    assert.strictEqual(bought.length + late.filter(({ _tag }) => _tag === "Success").length, 50)
    assert.deepStrictEqual(yield* countersOf(variant), { onHand: 50, held: 0, committed: 50 })
    yield* assertBooksAreRight
  }))

  it.effect("ends many orders at once, also of the same variant, and none twice", () => Effect.gen(function*() {
    const [first, second] = [yield* stocked(10), yield* stocked(10)]
    const orders = yield* Effect.replicateEffect(newOrder, 4)
    for (const order of orders) yield* hold(order, [first, 1], [second, 2])
    const [paid, alsoPaid, givenUp, open] = orders as [OrderId, OrderId, OrderId, OrderId]
    yield* Effect.all([commit(paid, alsoPaid, yield* newOrder), commit(alsoPaid, paid), release(givenUp), release(givenUp, givenUp)], {
      concurrency: "unbounded"
    })
    assert.deepStrictEqual(yield* countersOf(first), { onHand: 10, held: 1, committed: 2 })
    assert.deepStrictEqual(yield* countersOf(second), { onHand: 10, held: 2, committed: 4 })
    yield* release(paid, open)
    assert.deepStrictEqual(yield* countersOf(first), { onHand: 10, held: 0, committed: 2 })
    yield* assertBooksAreRight
  }))

  it.effect("holds for an order once, however often it is asked", () => Effect.gen(function*() {
    const [variant, other] = [yield* stocked(10), yield* stocked(10)]
    const order = yield* newOrder
    yield* Effect.all(Array.from({ length: 20 }, () => hold(order, [variant, 3])), { concurrency: "unbounded" })
    yield* hold(order, [variant, 4], [other, 1])
    assert.deepStrictEqual(yield* countersOf(variant), { onHand: 10, held: 3, committed: 0 })
    assert.deepStrictEqual(yield* countersOf(other), { onHand: 10, held: 0, committed: 0 })
    yield* assertBooksAreRight
  }))

  it.effect("holds all lines or none, and the sum of a variant's lines", () => Effect.gen(function*() {
    const [plenty, few] = [yield* stocked(10), yield* stocked(2)]
    const order = yield* newOrder
    const refused = yield* Effect.flip(hold(order, [plenty, 5], [few, 2], [few, 1]))
    assert.deepStrictEqual(
      refused._tag === "OutOfStock" && [refused.variantId, refused.requested, refused.available],
      [few, 3, 2]
    )
    assert.deepStrictEqual(yield* countersOf(plenty), { onHand: 10, held: 0, committed: 0 })
    const unknown = VariantId.make(yield* newId)
    assert.strictEqual((yield* Effect.flip(hold(order, [plenty, 5], [unknown, 1])))._tag, "OutOfStock")
    yield* hold(order, [plenty, 5], [few, 1], [few, 1])
    assert.deepStrictEqual(yield* countersOf(few), { onHand: 2, held: 2, committed: 0 })
    yield* assertBooksAreRight
  }))

  it.effect("holds nothing for an order that was released before", () => Effect.gen(function*() {
    const variant = yield* stocked(10)
    const [never, held] = [yield* newOrder, yield* newOrder]
    yield* release(never)
    assert.strictEqual((yield* Effect.flip(hold(never, [variant, 1])))._tag, "ReservationReleased")
    yield* hold(held, [variant, 1])
    yield* release(held)
    assert.strictEqual((yield* Effect.flip(hold(held, [variant, 1])))._tag, "ReservationReleased")
    assert.deepStrictEqual(yield* countersOf(variant), { onHand: 10, held: 0, committed: 0 })
    yield* assertBooksAreRight
  }))

  it.effect("holds nothing for an order whose release is about to be committed", () => Effect.gen(function*() {
    const stock = yield* StockRepository
    const sql = yield* SqlClient.SqlClient
    const variant = yield* stocked(10)
    const order = yield* newOrder
    const [released, mayCommit] = [yield* Latch.make(), yield* Latch.make()]
    const releasing = yield* Effect.forkChild(sql.withTransaction(stock.release([{ orderId: order }]).pipe(
      Effect.andThen(released.open),
      Effect.andThen(mayCommit.await)
    )))
    yield* released.await
    const holding = yield* Effect.forkChild(Effect.flip(hold(order, [variant, 1])))
    yield* sql`select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`.pipe(
      Effect.filterOrFail((waiting) => waiting.length > 0, () => "not waiting yet"),
      Effect.retry({ schedule: Schedule.spaced("5 millis"), times: 1_000 })
    )
    yield* mayCommit.open
    yield* Fiber.join(releasing)
    assert.strictEqual((yield* Fiber.join(holding))._tag, "ReservationReleased")
    yield* assertBooksAreRight
  }))

  it.effect("commits and releases once, and only what is held", () => Effect.gen(function*() {
    const variant = yield* stocked(10)
    const [paid, dropped, unheld] = [yield* newOrder, yield* newOrder, yield* newOrder]
    yield* hold(paid, [variant, 3])
    yield* hold(dropped, [variant, 4])
    yield* Effect.all([commit(paid), commit(paid), release(dropped), release(dropped)], { concurrency: "unbounded" })
    yield* release(paid)
    yield* commit(dropped)
    assert.deepStrictEqual(yield* countersOf(variant), { onHand: 10, held: 0, committed: 3 })
    yield* commit(unheld)
    yield* hold(unheld, [variant, 7])
    assert.deepStrictEqual(yield* countersOf(variant), { onHand: 10, held: 7, committed: 3 })
    yield* assertBooksAreRight
  }))

  it.effect("is either paid or given up when both happen at once", () => Effect.gen(function*() {
    const variant = yield* stocked(40)
    yield* Effect.forEach(Array.from({ length: 20 }), () => Effect.gen(function*() {
      const order = yield* newOrder
      yield* hold(order, [variant, 2])
      yield* Effect.all([commit(order), release(order)], { concurrency: "unbounded" })
    }), { concurrency: 4 })
    const sql = yield* SqlClient.SqlClient
    assert.deepStrictEqual(
      yield* sql`select order_id from reservation where variant_id = ${variant} and held + committed + released <> 2`,
      []
    )
    yield* assertBooksAreRight
  }))

  it.effect("never lets two orders wait for each other", () => Effect.gen(function*() {
    const [one, other] = [yield* stocked(1_000), yield* stocked(1_000)]
    // a deadlock would be a defect of one of them
    yield* Effect.forEach(Array.from({ length: 150 }), (_, n) => Effect.gen(function*() {
      const order = yield* newOrder
      yield* n % 2 === 0 ? hold(order, [one, 1], [other, 1]) : hold(order, [other, 1], [one, 1])
      yield* n % 3 === 0 ? release(order) : commit(order)
    }), { concurrency: "unbounded", discard: true })
    assert.deepStrictEqual(yield* countersOf(one), { onHand: 1_000, held: 0, committed: 100 })
    assert.deepStrictEqual(yield* countersOf(other), { onHand: 1_000, held: 0, committed: 100 })
    yield* assertBooksAreRight
  }))

  it.effect("keeps what was seeded first", () => Effect.gen(function*() {
    const stock = yield* StockRepository
    const variantId = yield* stocked(5)
    yield* stock.insert({ variantId, productId: ProductId.make(yield* newId), onHand: 7 })
    assert.deepStrictEqual(yield* countersOf(variantId), { onHand: 5, held: 0, committed: 0 })
    yield* assertBooksAreRight
  }))

  it.effect("gives out each order that holds for too long to one who asks, again after the lease", () => Effect.gen(function*() {
    const stock = yield* StockRepository
    const variantId = yield* stocked(20)
    const held = yield* Effect.forEach(Array.from({ length: 10 }), () => newOrder)
    const long = held.slice(0, 8)
    yield* Effect.forEach(held, (order) =>
      stock.hold(order, [{ variantId, quantity: 1 }], long.includes(order) ? Duration.zero : review))
    const [paid, dropped, ...due] = long
    yield* commit(paid!)
    yield* release(dropped!)
    const claims = yield* Effect.all(Array.from({ length: 4 }, () => stock.claimDue(2, Duration.minutes(1))), {
      concurrency: "unbounded"
    })
    assert.isTrue(claims.every((claim) => claim.length <= 2))
    const rest = yield* stock.claimDue(10, Duration.zero)
    assert.deepStrictEqual([...claims.flat(), ...rest].toSorted(), due.toSorted())
    assert.deepStrictEqual((yield* stock.claimDue(10, Duration.minutes(1))).toSorted(), rest.toSorted())
  }))
})
