import { assert, layer } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { sqlState } from "@marketplace/postgres/Database"
import * as Avro from "@marketplace/schema/Avro"
import { literal } from "@marketplace/postgres/Script"
import type { EventContext } from "@marketplace/schema/Topology"
import * as Codecs from "../src/Codecs.ts"
import * as Consumer from "../src/Consumer.ts"
import type { Envelope } from "../src/Envelope.ts"
import { EventTransport } from "../src/EventTransport.ts"
import { Outbox } from "../src/Outbox.ts"
import * as Retention from "../src/Retention.ts"
import { layerPostgres } from "../src/TransportPostgres.ts"
import { recordIn, subscribe } from "./Subscribing.ts"
import { transportContract } from "./transportContract.ts"
import * as World from "./World.ts"

const processOf = (service: EventContext) =>
  layerPostgres({ lease: Duration.millis(1500), poll: World.poll }).pipe(Layer.provideMerge(World.connection(service)))

transportContract("EventTransport on PostgreSQL", { install: Effect.succeed(processOf) })

const publish = (events: ReadonlyArray<Envelope>) => EventTransport.use((transport) => transport.publish("order", events))

const inLog = World.ask<{ position: bigint; eventId: string }>(
  "select position, event_id from events.order_log order by position"
)

/** Publishes in a transaction that stays open until `mayCommit`. */
const publishSlowly = (events: ReadonlyArray<Envelope>, written: Deferred.Deferred<void>, mayCommit: Deferred.Deferred<void>) =>
  SqlClient.SqlClient.use((sql) =>
    sql.withTransaction(publish(events).pipe(
      Effect.andThen(Deferred.succeed(written, undefined)),
      Effect.andThen(Deferred.await(mayCommit))
    )))

/** The product service, noting what it is told. */
const products = Consumer.layer("product", Effect.map(SqlClient.SqlClient, (sql) => {
  const note = (_: unknown, about: Consumer.About) => Effect.provideService(World.note("told", about), SqlClient.SqlClient, sql)
  return { OrderStatusChanged: note, ProductStockChanged: note }
})).pipe(Layer.provide(processOf("product")))

layer(World.Template.layer, { excludeTestServices: true })("The log in PostgreSQL", (it) => {
  const test = <E>(promise: string, body: () => Effect.Effect<void, E, World.Environment>) =>
    it.effect(promise, () => World.isolated(Effect.suspend(body)))

  test("has positions in the order of the commits: a reader passes nobody who is slow to commit", Effect.fnUntraced(function*() {
    const [slow, fast] = [yield* World.start(processOf("order")), yield* World.start(processOf("order"))]
    const got: Array<Envelope> = []
    yield* (yield* World.start(processOf("product"))).run(subscribe("product", recordIn(got)))
    const key = yield* World.newId
    const [first, second] = yield* Effect.forEach([1, 2], (sequence) => World.envelope(World.statusChanged(key), sequence))
    const [written, mayCommit] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
    const late = yield* Effect.forkScoped(slow.run(publishSlowly([first!], written, mayCommit)))
    yield* Deferred.await(written)
    const other = yield* Effect.forkScoped(fast.run(publish([second!])))
    yield* World.somebodyWaits
    yield* Deferred.succeed(mayCommit, undefined)
    yield* Fiber.join(late)
    yield* Fiber.join(other)
    yield* World.eventually(Effect.sync(() => got.length), (n) => n === 2)
    assert.deepStrictEqual(got.map(({ sequence }) => sequence), [1, 2])
  }))

  test("takes an event once, also from two relays at the same moment; readers pass the gap", Effect.fnUntraced(function*() {
    const [one, other] = [yield* World.start(processOf("order")), yield* World.start(processOf("order"))]
    // Both have stored the schema, and meet at the head only.
    yield* one.run(publish([yield* World.envelope(World.statusChanged(yield* World.newId), 1)]))
    yield* other.run(publish([yield* World.envelope(World.statusChanged(yield* World.newId), 1)]))
    const key = yield* World.newId
    const events = yield* Effect.forEach([1, 2, 3], (sequence) => World.envelope(World.statusChanged(key), sequence))
    const [written, mayCommit] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
    const late = yield* Effect.forkScoped(one.run(publishSlowly(events.slice(0, 2), written, mayCommit)))
    yield* Deferred.await(written)
    const same = yield* Effect.forkScoped(other.run(publish(events)))
    yield* World.somebodyWaits
    yield* Deferred.succeed(mayCommit, undefined)
    yield* Fiber.join(late)
    yield* Fiber.join(same)
    const log = (yield* inLog).slice(2)
    assert.deepStrictEqual(log.map(({ eventId }) => eventId), events.map(({ id }) => id))
    assert.deepStrictEqual(log.map(({ position }) => position), [3n, 4n, 7n])
    yield* one.run(publish([yield* World.envelope(World.statusChanged(key), 4)]))
    const got: Array<Envelope> = []
    yield* (yield* World.start(processOf("product"))).run(subscribe("product", recordIn(got)))
    yield* World.eventually(Effect.sync(() => got.length), (n) => n === 6)
    assert.deepStrictEqual(got.filter(({ streamKey }) => streamKey === key).map(({ sequence }) => sequence), [1, 2, 3, 4])
  }))

  test("lets go soon of what several events hold: others' transactions do not end as deadlocks", Effect.fnUntraced(function*() {
    const [held, mayWant] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
    const lock = (sql: SqlClient.SqlClient, n: number) => sql`select pg_advisory_xact_lock(${n})`
    const takeFirst = (sql: SqlClient.SqlClient) =>
      Effect.andThen(lock(sql, 1), Effect.andThen(Deferred.succeed(held, undefined), Deferred.await(mayWant)))
    const consumer = Consumer.layer("product", Effect.map(SqlClient.SqlClient, (sql) => ({
      OrderStatusChanged: ({ to }, about) =>
        (to === "FIRST" ? takeFirst(sql) : lock(sql, 2)).pipe(
          Effect.andThen(Effect.provideService(World.note("told", about), SqlClient.SqlClient, sql))
        ),
      ProductStockChanged: () => Effect.void
    } satisfies Consumer.Handlers<"product">))).pipe(Layer.provide(processOf("product")))
    const order = yield* World.start(processOf("order"))
    const key = yield* World.newId
    const other = yield* Effect.forkScoped(order.run(SqlClient.SqlClient.use((sql) =>
      sql.withTransaction(Effect.andThen(lock(sql, 2), Effect.andThen(Deferred.await(held), lock(sql, 1))))
    )))
    yield* order.run(publish([
      yield* World.envelope(World.statusChanged(key, "FIRST"), 1),
      yield* World.envelope(World.statusChanged(key, "SECOND"), 2)
    ]))
    yield* World.start(consumer)
    yield* Deferred.await(held)
    // It waits for longer than the consumer will, and so PostgreSQL would end it.
    yield* World.somebodyWaits
    yield* Deferred.succeed(mayWant, undefined)
    yield* Fiber.join(other)
    const effects = yield* World.eventually(World.effects("product"), (all) => all.length === 2)
    assert.deepStrictEqual(effects.map(({ sequence }) => sequence), [1, 2])
  }))

  test("has one effect of each event, also when the offsets are lost", Effect.fnUntraced(function*() {
    const key = yield* World.newId
    const order = yield* World.start(processOf("order"))
    const first = yield* World.start(products)
    yield* order.run(publish(yield* Effect.forEach([1, 2, 3], (sequence) => World.envelope(World.statusChanged(key), sequence))))
    yield* World.eventually(World.effects("product"), (all) => all.length === 3)
    // The offset has moved with the effects.
    const [moved] = yield* World.ask<{ position: bigint }>("select max(position) as position from events.product_offset")
    assert.strictEqual(moved?.position, 3n)
    yield* first.stop
    yield* World.ask("update events.product_offset set position = 0")
    yield* World.start(products)
    yield* order.run(publish([yield* World.envelope(World.statusChanged(key), 4)]))
    const effects = yield* World.eventually(World.effects("product"), (all) => all.some(({ sequence }) => sequence === 4))
    assert.deepStrictEqual(effects.map(({ sequence }) => sequence), [1, 2, 3, 4])
  }))

  test("goes on in the trace of the event, which is the cause of what its consumer tells", Effect.fnUntraced(function*() {
    const [key, variant] = [yield* World.newId, yield* World.newId]
    const event = yield* World.envelope(World.statusChanged(key), 1)
    yield* World.start(Consumer.layer("product", Effect.map(Outbox, (outbox) => ({
      OrderStatusChanged: () => outbox.append({ after: 0, events: [World.stockChanged(variant, 1)] }),
      ProductStockChanged: () => Effect.void
    }))).pipe(Layer.provide(Outbox.layer("product")), Layer.provide(processOf("product"))))
    yield* (yield* World.start(processOf("order"))).run(publish([event]))
    const outbox = World.ask<{ traceparent: string; causeId: string }>("select traceparent, cause_id from product_service.outbox")
    const [told] = yield* World.eventually(outbox, (rows) => rows.length === 1)
    assert.strictEqual(told?.causeId, event.id)
    assert.strictEqual(told?.traceparent.split("-")[1], event.traceparent?.split("-")[1])
    assert.notStrictEqual(told?.traceparent, event.traceparent)
  }))

  test("moves the offset past events that are skipped", Effect.fnUntraced(function*() {
    const key = yield* World.newId
    const created = yield* World.orderCreated(key)
    const events = yield* Effect.forEach([1, 2], (sequence) => World.envelope(created, sequence))
    yield* (yield* World.start(processOf("order"))).run(publish(events))
    yield* (yield* World.start(processOf("product"))).run(subscribe("product", recordIn([])))
    const consumed = World.ask<{ position: bigint }>(
      "select max(position) as position from events.product_offset where context = 'order'"
    )
    yield* World.eventually(consumed, ([row]) => row?.position === 2n)
  }))

  test("wakes the consumers of other processes", Effect.fnUntraced(function*() {
    // Nobody looks by itself for an hour.
    const options = { acrossProcesses: true, poll: Duration.hours(1), lease: Duration.hours(3) }
    const layer = (service: EventContext) => layerPostgres(options).pipe(Layer.provideMerge(World.connection(service)))
    const order = yield* World.start(layer("order"))
    const got: Array<Envelope> = []
    yield* (yield* World.start(layer("product"))).run(subscribe("product", recordIn(got)))
    const key = yield* World.newId
    for (const sequence of [1, 2, 3]) {
      yield* order.run(publish([yield* World.envelope(World.statusChanged(key), sequence)]))
      yield* World.eventually(Effect.sync(() => got.length), (n) => n === sequence)
    }
  }))

  test("carries the schema of another version to its readers", Effect.fnUntraced(function*() {
    const key = yield* World.newId
    const own = yield* World.envelope(World.statusChanged(key), 1)
    const schema: Avro.AvroRecord = JSON.parse(Codecs.writerOf(own.fingerprint)!)
    const newer = { ...schema, fields: [...schema.fields, { name: "note", type: ["null", "string"], default: null }] }
    const fingerprint = Avro.fingerprint(newer)
    // As a publisher of that version would have stored it; this process has never met it.
    yield* World.ask(`insert into events.order_schema values ('${fingerprint}', ${literal(Avro.canonical(newer))})`)
    const written = { ...own, fingerprint, body: new Uint8Array([...own.body, 0]) }
    yield* (yield* World.start(processOf("order"))).run(publish([written]))
    const got: Array<Envelope> = []
    yield* (yield* World.start(processOf("product"))).run(subscribe("product", recordIn(got)))
    yield* World.eventually(Effect.sync(() => got.length), (n) => n === 1)
    assert.deepStrictEqual(yield* Codecs.decode(got[0]!), World.statusChanged(key))
  }))

  test("lets a service do what the topology says, and no more", Effect.fnUntraced(function*() {
    const key = yield* World.newId
    const order = yield* World.start(processOf("order"))
    const payment = yield* World.start(processOf("payment"))
    yield* order.run(publish([yield* World.envelope(World.statusChanged(key), 1)]))
    const refused = (process: typeof order, statement: string) =>
      process.run(World.query(statement)).pipe(
        Effect.flip,
        Effect.map((error) => sqlState(error)),
        Effect.tap((state) => Effect.sync(() => assert.strictEqual(state, "42501", statement)))
      )
    yield* refused(payment, "insert into events.order_log select * from events.payment_log")
    yield* refused(payment, "update events.order_head set position = 0")
    yield* refused(payment, "select body from events.order_log")
    yield* refused(order, "select body from events.order_log")
    yield* refused(order, "delete from events.order_log")
    yield* refused(order, "update events.order_log set body = ''")
    yield* refused(order, "select * from events.user_log")
    yield* refused(order, "update events.product_offset set position = 7")
    yield* refused(order, "select events.prune_payment('1 day')")
    yield* refused(order, "insert into events.order_offset (context, partition) values ('user', 0)")
    const product = yield* World.start(processOf("product"))
    yield* product.run(World.query("select body from events.order_log"))
  }))

  test("keeps what a consumer has not consumed, however old", Effect.fnUntraced(function*() {
    const key = yield* World.newId
    const order = yield* World.start(processOf("order"))
    yield* order.run(publish(yield* Effect.forEach([1, 2, 3], (sequence) => World.envelope(World.statusChanged(key), sequence))))
    yield* World.ask("update events.order_log set appended_at = now() - interval '40 days'")
    const prune = order.run(Retention.pruneLog("order", Duration.days(30)))
    assert.strictEqual(yield* prune, 0)

    const got: Array<Envelope> = []
    yield* (yield* World.start(processOf("product"))).run(subscribe("product", recordIn(got)))
    yield* World.eventually(Effect.sync(() => got.length), (n) => n === 3)
    // The other consumer has seen the first two.
    yield* World.ask("update events.user_offset set position = 2")
    assert.strictEqual(yield* prune, 2)
    assert.deepStrictEqual((yield* inLog).map(({ position }) => position), [3n])
  }))
})
