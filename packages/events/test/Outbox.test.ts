import { assert, describe, layer } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Layer } from "effect"
import { SqlClient } from "effect/sql"
import * as Consumer from "../src/Consumer.ts"
import type { Envelope } from "../src/Envelope.ts"
import { EventTransport, TransportUnavailable } from "../src/EventTransport.ts"
import { CurrentCause, Outbox } from "../src/Outbox.ts"
import * as OutboxSource from "../src/OutboxSource.ts"
import * as Relay from "../src/Relay.ts"
import * as Retention from "../src/Retention.ts"
import { layerPostgres } from "../src/TransportPostgres.ts"
import { Wakeups } from "../src/Wakeups.ts"
import type { MarketplaceEvent } from "@marketplace/schema/Topology"
import * as World from "./World.ts"

const order = Outbox.layer("order").pipe(Layer.provideMerge(World.connection("order")), Layer.provideMerge(Wakeups.layer))
const settings = { poll: World.poll, lease: Duration.millis(1500) }

const tell = (after: number, key: string, ...to: ReadonlyArray<string>) =>
  Outbox.use((outbox) => outbox.append({ after, events: to.map((state) => World.statusChanged(key, state)) }))

const transaction = <A, E, R>(effect: Effect.Effect<A, E, R>) => SqlClient.SqlClient.use((sql) => sql.withTransaction(effect))

const pending = World.ask<{ streamKey: string; sequence: number }>(
  "select stream_key, sequence from order_service.outbox where published_at is null order by position"
)

/** The transport is no part of what is tested here: notes what it is given, after `first`. */
const transport = (got: Array<Envelope>, first: Effect.Effect<void, TransportUnavailable> = Effect.void) =>
  Layer.succeed(EventTransport, EventTransport.of({
    publish: (_, events) => Effect.andThen(first, Effect.sync(() => void got.push(...events))),
    subscribe: () => Effect.never
  }))

/** The order service with its relay. */
const relaying = <E, R>(transport: Layer.Layer<EventTransport, E, R>) =>
  Relay.layer("order", settings).pipe(Layer.provide(transport), Layer.provideMerge(order))

layer(World.Template.layer, { excludeTestServices: true })((it) => {
  const test = <E>(promise: string, body: () => Effect.Effect<void, E, World.Environment>) =>
    it.effect(promise, () => World.isolated(Effect.suspend(body)))

  describe("Outbox", () => {
    test("keeps what is told with the state: a rollback tells nothing", Effect.fnUntraced(function*() {
      const [kept, lost] = [yield* World.newId, yield* World.newId]
      const service = yield* World.start(order)
      yield* service.run(transaction(tell(0, kept, "A", "B")))
      yield* Effect.exit(service.run(transaction(Effect.andThen(tell(0, lost, "A"), Effect.fail("changed its mind")))))
      assert.deepStrictEqual(yield* pending, [{ streamKey: kept, sequence: 1 }, { streamKey: kept, sequence: 2 }])
    }))

    test("says in which trace, because of which event and by which clock", Effect.fnUntraced(function*() {
      const [key, cause] = [yield* World.newId, yield* World.newId]
      const service = yield* World.start(order)
      const { traceId } = yield* Effect.useSpan("request", (span) =>
        service.run(transaction(tell(0, key, "A"))).pipe(
          Effect.provideService(CurrentCause, cause),
          Effect.withParentSpan(span),
          Effect.as(span)
        ))
      const [row] = yield* World.ask<{ traceparent: string; causeId: string; age: number }>(
        "select traceparent, cause_id, extract(epoch from now() - occurred_at)::float8 as age from order_service.outbox"
      )
      assert.include(row!.traceparent, traceId)
      assert.strictEqual(row!.causeId, cause)
      assert.isAtLeast(row!.age, 0)
      assert.isBelow(row!.age, 10)
    }))

    test("refuses a second event with the sequence of another", Effect.fnUntraced(function*() {
      const key = yield* World.newId
      const service = yield* World.start(order)
      yield* service.run(tell(0, key, "A", "B"))
      const refused = yield* Effect.flip(service.run(tell(1, key, "C")))
      assert.strictEqual(refused.reason._tag, "UniqueViolation")
      yield* service.run(tell(2, key, "C"))
      assert.deepStrictEqual((yield* pending).map(({ sequence }) => sequence), [1, 2, 3])
    }))

    test("refuses events of several streams at once, and of another context", Effect.fnUntraced(function*() {
      const service = yield* World.start(order)
      const [one, other] = [yield* World.newId, yield* World.newId]
      const append = (...events: ReadonlyArray<MarketplaceEvent>) =>
        Effect.exit(service.run(Outbox.use((outbox) => outbox.append({ after: 0, events }))))
      assert.isTrue(Exit.hasDies(yield* append(World.statusChanged(one), World.statusChanged(other))))
      assert.isTrue(Exit.hasDies(yield* append(World.stockChanged(one, 1))))
      assert.deepStrictEqual(yield* pending, [])
    }))
  })

  describe("Retention", () => {
    test("forgets what was published long ago, and nothing else", Effect.fnUntraced(function*() {
      const [old, young] = [yield* World.newId, yield* World.newId]
      const service = yield* World.start(order)
      yield* service.run(Effect.andThen(tell(0, old, "A", "B"), tell(0, young, "A")))
      yield* service.run(World.query(`update outbox set occurred_at = now() - interval '90 days',
        published_at = case when stream_key = '${young}' then now() when sequence = 1 then now() - interval '8 days' end`))
      assert.strictEqual(yield* service.run(Retention.pruneOutbox(Duration.days(7))), 1)
      assert.deepStrictEqual(yield* pending, [{ streamKey: old, sequence: 2 }])

      yield* service.run(World.query(`insert into inbox (consumer, event_id, consumed_at)
        values ('order', '${old}', now() - interval '8 days'), ('order', '${young}', now())`))
      assert.strictEqual(yield* service.run(Retention.pruneInbox(Duration.days(7))), 1)
      assert.strictEqual(yield* service.run(Retention.pruneInbox(Duration.days(7))), 0)
    }))
  })

  describe("Relay", () => {
    test("publishes each stream in order, right after the commit, and marks it", Effect.fnUntraced(function*() {
      const got: Array<Envelope> = []
      const [one, other] = [yield* World.newId, yield* World.newId]
      // It would not look by itself for an hour.
      const service = yield* World.start(Relay.layer("order", { poll: Duration.hours(1), lease: Duration.hours(2) }).pipe(
        Layer.provide(transport(got)),
        Layer.provideMerge(order)
      ))
      yield* World.eventually(
        World.ask<{ n: number }>("select count(owner)::int as n from order_service.relay_partition"),
        ([row]) => row?.n === 8
      )
      yield* service.run(transaction(Effect.andThen(tell(0, one, "A", "B"), tell(0, other, "A"))))
      yield* World.eventually(pending, (rows) => rows.length === 0)
      yield* service.run(transaction(tell(2, one, "C")))
      yield* World.eventually(pending, (rows) => rows.length === 0)
      const of = (key: string) => got.filter(({ streamKey }) => streamKey === key).map(({ sequence }) => sequence)
      assert.deepStrictEqual([of(one), of(other)], [[1, 2, 3], [1]])
    }))

    test("loses nothing when transactions commit in another order than they wrote", Effect.fnUntraced(function*() {
      const got: Array<Envelope> = []
      const [slow, fast] = [yield* World.newId, yield* World.newId]
      const service = yield* World.start(relaying(transport(got)))
      const [written, mayCommit] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      yield* Effect.forkScoped(service.run(transaction(Effect.andThen(
        tell(0, slow, "A"),
        Effect.andThen(Deferred.succeed(written, undefined), Deferred.await(mayCommit))
      ))))
      yield* Deferred.await(written)
      yield* service.run(transaction(tell(0, fast, "A")))
      yield* World.eventually(Effect.sync(() => got.length), (n) => n === 1)
      assert.strictEqual(got[0]?.streamKey, fast)
      yield* Deferred.succeed(mayCommit, undefined)
      yield* World.eventually(Effect.sync(() => got.length), (n) => n === 2)
      assert.strictEqual(got[1]?.streamKey, slow)
    }))

    test("waits for a transport that is away, and keeps the order", Effect.fnUntraced(function*() {
      const got: Array<Envelope> = []
      const key = yield* World.newId
      let refusals = 3
      const away = Effect.suspend(() =>
        refusals-- > 0 ? new TransportUnavailable({ detail: "not there", cause: undefined }) : Effect.void)
      const service = yield* World.start(relaying(transport(got, away)))
      yield* service.run(tell(0, key, "A", "B"))
      yield* World.eventually(pending, (rows) => rows.length === 0)
      assert.deepStrictEqual(got.map(({ sequence }) => sequence), [1, 2])
      assert.isBelow(refusals, 0)
    }))

    test("publishes again what it could not mark; the effect stays one", Effect.fnUntraced(function*() {
      const key = yield* World.newId
      const log = layerPostgres(settings)
      const published = yield* Deferred.make<void>()
      /** Publishes, and then dies before it can say so. */
      const dies = Layer.effect(EventTransport, Effect.map(EventTransport, (inner) =>
        EventTransport.of({
          ...inner,
          publish: (context, events) =>
            inner.publish(context, events).pipe(
              Effect.andThen(Deferred.succeed(published, undefined)),
              Effect.andThen(Effect.never)
            )
        }))).pipe(Layer.provide(log))
      const victim = yield* World.start(relaying(dies))
      yield* victim.run(transaction(tell(0, key, "A", "B")))
      yield* Deferred.await(published)
      yield* victim.stop
      assert.strictEqual((yield* pending).length, 2)

      const noted = (about: Consumer.About, sql: SqlClient.SqlClient) =>
        Effect.provideService(World.note("seen", about), SqlClient.SqlClient, sql)
      yield* World.start(Consumer.layer("product", Effect.map(SqlClient.SqlClient, (sql) => ({
        OrderStatusChanged: (_: unknown, about: Consumer.About) => noted(about, sql),
        ProductStockChanged: (_: unknown, about: Consumer.About) => noted(about, sql)
      }))).pipe(Layer.provide(log), Layer.provide(World.connection("product"))))
      const again = yield* World.start(relaying(log))
      yield* World.eventually(pending, (rows) => rows.length === 0)
      yield* again.run(transaction(tell(2, key, "C")))
      const effects = yield* World.eventually(World.effects("product"), (all) => all.some(({ sequence }) => sequence === 3))
      assert.deepStrictEqual(effects.map(({ sequence }) => sequence), [1, 2, 3])
    }))

    test("shares the streams between instances; who lost one marks nothing of it", Effect.fnUntraced(function*() {
      const service = yield* World.start(order)
      const keys = yield* Effect.all(Array.from({ length: 20 }, () => World.newId))
      const open = service.run(OutboxSource.postgres("order", Duration.minutes(10)))
      const first = yield* open
      yield* Effect.forEach(keys, (key) => service.run(tell(0, key, "A")))
      const taken = yield* first.next(100)
      assert.strictEqual(taken.length, 20)

      const second = yield* open
      const stolen = yield* second.next(100)
      assert.isAbove(stolen.length, 0)
      assert.isBelow(stolen.length, 20)
      yield* first.published(taken)
      assert.sameMembers((yield* pending).map(({ streamKey }) => streamKey), stolen.map(({ streamKey }) => streamKey))
      assert.deepStrictEqual(yield* first.next(100), [])
      yield* second.published(stolen)
      assert.deepStrictEqual(yield* pending, [])
    }))

    test("takes the streams of an instance that is not heard of any more", Effect.fnUntraced(function*() {
      const service = yield* World.start(order)
      const key = yield* World.newId
      yield* service.run(tell(0, key, "A"))
      const dead = yield* service.run(OutboxSource.postgres("order", Duration.millis(1)))
      const before = yield* dead.next(10)
      const heir = yield* service.run(OutboxSource.postgres("order", settings.lease))
      const after = yield* World.eventually(heir.next(10), (events) => events.length === 1)
      assert.deepStrictEqual(after, before)
      yield* dead.published(before)
      assert.strictEqual((yield* pending).length, 1)
    }))
  })
})
