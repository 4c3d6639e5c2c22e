import { assert, layer } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Layer, Logger, Result } from "effect"
import { SecureRandom } from "effect/crypto"
import { SqlClient, SqlError, type Statement } from "effect/sql"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { Money, times } from "@marketplace/domain/Money"
import { draft, VariantQuote } from "@marketplace/domain/Order/Checkout"
import { standard } from "@marketplace/domain/Order/Commission"
import { OrderId } from "@marketplace/domain/Order/Ids"
import { type Order, pay, reserved } from "@marketplace/domain/Order/Order"
import { ProductId, VariantId } from "@marketplace/domain/Product/Ids"
import { LocalizedText } from "@marketplace/domain/Product/Product"
import { EnterpriseId, MemberId } from "@marketplace/domain/User/Ids"
import * as Outbox from "@marketplace/events/Outbox"
import * as Database from "@marketplace/postgres/Database"
import { PostgresServer } from "@marketplace/postgres/PostgresServer"
import * as Write from "@marketplace/postgres/Write"
import * as TestDatabase from "@marketplace/testing/TestDatabase"
import { orderSchema } from "../src/Database.ts"
import { OrderRepository } from "../src/Orders/Repository.ts"

const database = Layer.unwrap(Effect.map(PostgresServer, ({ urlOf }) =>
  Database.layer({ url: urlOf(orderSchema.name), service: "order" })))

const World = OrderRepository.layer.pipe(
  Layer.provide(Outbox.Outbox.layer("order")),
  Layer.provideMerge(database),
  Layer.provide(TestDatabase.layer([orderSchema])),
  Layer.provideMerge([NodeCrypto.layerSecureRandom, Logger.layer([])])
)

const uuid = SecureRandom.SecureRandom.use((random) => random.uuidV7())
const price = new Money({ amount: 12_000, currency: "KRW" })
const memberId = MemberId.make("01890a5d-ac96-774b-bcce-b302099a8057")
const windows = { payment: Duration.minutes(30), placing: Duration.minutes(1) }

const storedOrder = Effect.fnUntraced(function*(placing: Duration.Duration = windows.placing) {
  const repository = yield* OrderRepository
  const orderId = OrderId.make(yield* uuid)
  const quotes = [
    new VariantQuote({
      variantId: VariantId.make(yield* uuid),
      productId: ProductId.make(yield* uuid),
      enterpriseId: EnterpriseId.make(yield* uuid),
      name: new LocalizedText({ ko: "쟁반", en: "Tray" }),
      unitPrice: price,
      sellable: true,
      commission: standard
    })
  ]
  const lines = quotes.map(({ variantId }) => ({ variantId, quantity: 2 }))
  const ids = [yield* uuid, yield* uuid]
  const order = yield* Effect.fromResult(draft({ orderId, memberId, lines, quotes, expectedTotal: times(price, 2), ids }))
  return yield* repository.insert(order, { ...windows, placing }, Write.nothing)
})

const inserted = (placing?: Duration.Duration) => Effect.map(storedOrder(placing), ({ order }) => order)

/** A line in the order's timeline. */
const note = (sql: SqlClient.SqlClient, id: OrderId) => (when: Statement.Fragment) =>
  sql`insert into order_timeline (order_id, scope, to_status, cause) select ${id}::uuid, 'order', 'X', 'note' where ${when}`

const noted = (id: OrderId) =>
  SqlClient.SqlClient.use((sql) => sql`select from order_timeline where order_id = ${id} and cause = 'note'`)

layer(World, { excludeTestServices: true })("the repository of orders", (it) => {
  it.effect("gives back what was stored", () => Effect.gen(function*() {
    const repository = yield* OrderRepository
    const drafted = yield* inserted()
    const { paymentDeadline, createdAt } = yield* repository.find(drafted.id)
    assert.deepStrictEqual(yield* repository.find(drafted.id), drafted)
    assert.strictEqual(paymentDeadline.epochMilliseconds - createdAt.epochMilliseconds, 30 * 60_000)
  }))

  it.effect("decides at last by what was written before its own change, in every table", () => Effect.gen(function*() {
    const repository = yield* OrderRepository
    const sql = yield* SqlClient.SqlClient
    const { id } = yield* inserted()
    yield* repository.update(id, reserved)
    const [paid, commit] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
    const holder = yield* repository.update(id, pay).pipe(
      Effect.tap(() => Effect.andThen(Deferred.succeed(paid, undefined), Deferred.await(commit))),
      sql.withTransaction,
      Effect.forkChild
    )
    yield* Effect.raceFirst(Deferred.await(paid), Fiber.join(holder))
    const seen: Array<Order> = []
    const look = repository.update(id, (order) => {
      seen.push(order)
      return Result.succeed({ state: order, events: [] })
    })
    const waiter = yield* Effect.forkChild(sql.withTransaction(look))
    const waiting = sql`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
    yield* Effect.repeat(Effect.delay(waiting, "10 millis"), { until: (found) => found.length > 0, times: 500 })
    assert.isUndefined(waiter.pollUnsafe(), "it did not wait for the other change")
    yield* Deferred.succeed(commit, undefined)
    yield* Fiber.join(holder)
    yield* Fiber.join(waiter)
    const decisive = seen.at(-1)
    assert.deepStrictEqual([decisive?.status, decisive?.sellerOrders.map(({ status }) => status)], ["PLACED", ["PAID"]])
    const entries = yield* sql<{ readonly toStatus: string }>`
      select to_status from order_timeline where order_id = ${id} order by position`
    assert.deepStrictEqual(entries.map(({ toStatus }) => toStatus), ["PLACING", "AWAITING_PAYMENT", "PLACED", "PAID"])
  }))

  it.effect("writes what goes with a change as often as the change, although it is decided again", () => Effect.gen(function*() {
    const repository = yield* OrderRepository
    const sql = yield* SqlClient.SqlClient
    const stored = yield* storedOrder()
    const { id } = stored.order
    yield* repository.update(id, reserved)
    const looks: Array<Order["status"]> = []
    const also = (order: Order) => Effect.sync((): Write.Write => {
      looks.push(order.status)
      return { ...Write.nothing, statements: [note(sql, id)] }
    })
    // `stored` is not what the order is any more.
    yield* repository.update(stored, (order) => Result.succeed({ state: order, events: [] }), also)
    assert.deepStrictEqual([looks, (yield* noted(id)).length], [["PLACING", "AWAITING_PAYMENT"], 1])
  }))

  it.effect("changes nothing when what goes with it fails, and gives its meaning", () => Effect.gen(function*() {
    const repository = yield* OrderRepository
    const sql = yield* SqlClient.SqlClient
    const { id } = (yield* storedOrder()).order
    const before = yield* sql`select status, version, sequence from orders where id = ${id}`
    const again: Write.Write<string> = {
      statements: [note(sql, id), (when) => sql`insert into orders select * from orders where id = ${id} and ${when}`],
      meaning: ({ reason }) => reason._tag === "UniqueViolation" ? reason.constraint : "another",
      made: Effect.die("nothing was made")
    }
    const refused = yield* Effect.flip(repository.update(id, reserved, () => Effect.succeed(again)))
    assert.strictEqual(refused, "orders_pkey")
    assert.deepStrictEqual(yield* sql`select status, version, sequence from orders where id = ${id}`, before)
    assert.deepStrictEqual([yield* noted(id), yield* sql`select from outbox where stream_key = ${id}`], [[], []])
  }))

  it.effect("changes many orders at once, each once, and tells of each why", () => Effect.gen(function*() {
    const repository = yield* OrderRepository
    const sql = yield* SqlClient.SqlClient
    const orders = yield* Effect.replicateEffect(inserted(), 5)
    for (const { id } of orders) yield* repository.update(id, reserved)
    const changes = yield* Effect.forEach(orders, ({ id }) => Effect.map(uuid, (causeId) => ({ id, origin: { causeId, traceparent: null } })))
    const pays = (some: typeof changes) => Effect.result(sql.withTransaction(repository.updateAll(some, pay)))
    const [left, right] = yield* Effect.all([pays(changes.slice(0, 3)), pays(changes.slice(2).toReversed())], { concurrency: 2 })
    // Both wanted the third one, which is paid once: the other came to nothing as a whole.
    assert.deepStrictEqual([left, right].map(({ _tag }) => _tag).sort(), ["Failure", "Success"])
    const done = left._tag === "Success" ? changes.slice(0, 3) : changes.slice(2)
    for (const { id } of changes) {
      const isDone = done.some((one) => one.id === id)
      const { sellerOrders, status } = yield* repository.find(id)
      assert.deepStrictEqual([status, sellerOrders[0]?.status], isDone ? ["PLACED", "PAID"] : ["AWAITING_PAYMENT", "PENDING_PAYMENT"])
    }
    const told = yield* sql<{ readonly streamKey: string; readonly sequences: ReadonlyArray<number>; readonly causes: ReadonlyArray<string> }>`
      select stream_key, array_agg(sequence order by sequence) as sequences, array_agg(distinct cause_id::text) as causes from outbox
      where cause_id = any (${changes.map(({ origin }) => origin.causeId)}::text[]::uuid[]) group by stream_key`
    assert.deepStrictEqual(
      new Map(told.map(({ causes, sequences, streamKey }) => [streamKey, [sequences, causes]])),
      new Map(done.map(({ id, origin }) => [id as string, [[2, 3], [origin.causeId]]]))
    )
    const [untouched] = changes.filter((one) => !done.includes(one))
    const twice = yield* Effect.flip(repository.updateAll([untouched!, untouched!], pay))
    assert(SqlError.isSqlError(twice))
    assert.strictEqual(twice.reason._tag, "UniqueViolation")
    const missing = OrderId.make(yield* uuid)
    const unknown = repository.updateAll([{ id: missing, origin: { causeId: null, traceparent: null } }], pay)
    assert.strictEqual((yield* Effect.flip(unknown))._tag, "OrderNotFound")
  }))

  it.effect("gives an order that waits out once per lease, to one of many that ask", () => Effect.gen(function*() {
    const repository = yield* OrderRepository
    const due = yield* Effect.all(Array.from({ length: 20 }, () => inserted(Duration.zero)))
    const claims = yield* Effect.forEach([1, 2, 3, 4], () => repository.claimDue(7, Duration.minutes(1)), { concurrency: 4 })
    const claimed = claims.flat().map(({ id }) => id)
    const rest = (yield* repository.claimDue(50, Duration.minutes(1))).map(({ id }) => id)
    assert.deepStrictEqual([...claimed, ...rest].sort(), due.map(({ id }) => id).sort())
    assert.deepStrictEqual(yield* repository.claimDue(50, Duration.minutes(1)), [])
  }))
})
