import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Schedule, type Scope } from "effect"
import { SecureRandom } from "effect/crypto"
import { SqlClient } from "effect/sql"
import { PostgresServer } from "@marketplace/postgres/PostgresServer"
import type { EventContext } from "@marketplace/schema/Topology"
import * as Consumer from "../src/Consumer.ts"
import { DeadLetters } from "../src/DeadLetters.ts"
import type { Envelope } from "../src/Envelope.ts"
import { EventTransport, Fenced, TransportUnavailable } from "../src/EventTransport.ts"
import { Outbox } from "../src/Outbox.ts"
import * as Relay from "../src/Relay.ts"
import { type Given, oneByOne, recordIn, subscribe } from "./Subscribing.ts"
import * as World from "./World.ts"

type Process = EventTransport | SqlClient.SqlClient | SecureRandom.SecureRandom

/** What a process of a service has, on one installation of the transport. */
export type ProcessOf = (service: EventContext) => Layer.Layer<Process, unknown, PostgresServer>

interface Suite {
  /** A fresh installation of the transport: nobody has told anything there. */
  readonly install: Effect.Effect<ProcessOf, never, Scope.Scope>
}

/** Every implementation of `EventTransport` keeps these promises. Consumers keep their state in PostgreSQL in any case. */
export const transportContract = (name: string, { install }: Suite) => {
  /** As the relay does, again when it did not succeed; then some of the events come twice. */
  const publish = (context: EventContext, events: ReadonlyArray<Envelope>) =>
    EventTransport.use((transport) => transport.publish(context, events)).pipe(
      Effect.retry({ times: 100, schedule: Schedule.spaced("100 millis") })
    )

  const count = (got: ReadonlyArray<unknown>, n: number) =>
    World.eventually(Effect.sync(() => got.length), (length) => length >= n)

  const statusChanges = (keys: ReadonlyArray<string>, sequences: ReadonlyArray<number>) =>
    Effect.forEach(
      sequences.flatMap((sequence) => keys.map((key) => ({ key, sequence }))),
      ({ key, sequence }) => World.envelope(World.statusChanged(key), sequence)
    )

  const newKeys = (n: number) => Effect.all(Array.from({ length: n }, () => World.newId))
  const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1)

  const byKey = (got: ReadonlyArray<{ readonly streamKey: string; readonly sequence: number }>) => {
    const sequences = new Map<string, Array<number>>()
    for (const { sequence, streamKey } of got) sequences.set(streamKey, [...sequences.get(streamKey) ?? [], sequence])
    return sequences
  }

  /** The consumer of the product service, noting what it is told; `also` runs before, in the same transaction. */
  const products = (processOf: ProcessOf, also: (to: string) => Effect.Effect<void, unknown> = () => Effect.void) =>
    Consumer.layer("product", Effect.map(SqlClient.SqlClient, (sql) => {
      const note = (type: string, about: Consumer.About) =>
        Effect.provideService(World.note(type, about), SqlClient.SqlClient, sql)
      return {
        OrderStatusChanged: ({ to }, about) => Effect.andThen(also(to), note("OrderStatusChanged", about)),
        ProductStockChanged: (_, about) => note("ProductStockChanged", about)
      } satisfies Consumer.Handlers<"product">
    })).pipe(Layer.provideMerge(processOf("product")))

  layer(World.Template.layer, { excludeTestServices: true })(name, (it) => {
    const test = <E>(promise: string, body: (processOf: ProcessOf) => Effect.Effect<void, E, World.Environment>) =>
      it.effect(promise, () => World.isolated(Effect.flatMap(install, body)))

    test("delivers the events of each stream in their order", Effect.fnUntraced(function*(processOf) {
      const keys = yield* newKeys(40)
      const order = yield* World.start(processOf("order"))
      const product = yield* World.start(processOf("product"))
      const got: Array<Envelope> = []
      yield* product.run(subscribe("product", recordIn(got)))
      for (const sequences of [[1, 2, 3], [4], [5, 6, 7, 8, 9, 10]]) {
        yield* order.run(publish("order", yield* statusChanges(keys, sequences)))
      }
      yield* count(got, 400)
      const found = byKey(got)
      assert.strictEqual(found.size, 40)
      for (const sequences of found.values()) assert.deepStrictEqual(sequences, upTo(10))
    }))

    test("delivers body and headers as they were", Effect.fnUntraced(function*(processOf) {
      const [key] = yield* newKeys(1)
      const order = yield* World.start(processOf("order"))
      const product = yield* World.start(processOf("product"))
      const events = [
        yield* World.envelope(World.statusChanged(key!), 1, { traceparent: null }),
        yield* World.envelope(World.statusChanged(key!), 2, { causeId: yield* World.newId })
      ]
      yield* order.run(publish("order", events))
      const got: Array<Envelope> = []
      yield* product.run(subscribe("product", recordIn(got)))
      yield* count(got, 2)
      assert.deepStrictEqual(got, events)
    }))

    test("delivers from the first event on, also when its publisher is gone", Effect.fnUntraced(function*(processOf) {
      const events = yield* statusChanges(yield* newKeys(10), [1, 2])
      const order = yield* World.start(processOf("order"))
      yield* order.run(publish("order", events))
      yield* order.stop
      const [early, late]: [Array<Envelope>, Array<Envelope>] = [[], []]
      yield* (yield* World.start(processOf("product"))).run(subscribe("product", recordIn(early)))
      yield* count(early, 20)
      yield* (yield* World.start(processOf("user"))).run(subscribe("user", recordIn(late)))
      yield* count(late, 20)
      const ids = (all: ReadonlyArray<Envelope>) => all.map(({ id }) => id).toSorted()
      assert.deepStrictEqual(ids(early), ids(events))
      assert.deepStrictEqual(ids(late), ids(events))
    }))

    test("skips other types, and does not deliver again what was settled", Effect.fnUntraced(function*(processOf) {
      const [key] = yield* newKeys(1)
      const created = yield* World.orderCreated(key!)
      const order = yield* World.start(processOf("order"))
      const [first, second, third] = [
        yield* World.envelope(created, 1),
        yield* World.envelope(World.statusChanged(key!), 2),
        yield* World.envelope(created, 3)
      ]
      yield* order.run(publish("order", [first, second, third]))
      const got: Array<Envelope> = []
      const product = yield* World.start(processOf("product"))
      yield* product.run(subscribe("product", recordIn(got)))
      yield* count(got, 1)
      // Everything of the first instance is done when another event of the same stream has arrived.
      yield* order.run(publish("order", [yield* World.envelope(World.statusChanged(key!), 4)]))
      yield* count(got, 2)
      yield* product.stop
      yield* (yield* World.start(processOf("product"))).run(subscribe("product", recordIn(got)))
      yield* order.run(publish("order", [yield* World.envelope(World.statusChanged(key!), 5)]))
      yield* count(got, 3)
      assert.deepStrictEqual(got.map(({ sequence }) => sequence), [2, 4, 5])
    }))

    test("delivers again what was not settled when its consumer died", Effect.fnUntraced(function*(processOf) {
      const events = yield* statusChanges(yield* newKeys(1), [1, 2, 3])
      const order = yield* World.start(processOf("order"))
      yield* order.run(publish("order", events))
      const got: Array<number> = []
      const hangsAt2 = ({ envelope, settle }: Given) => {
        got.push(envelope.sequence)
        return envelope.sequence === 2 ? Effect.never : Effect.catchTag(settle, "SqlError", Effect.die)
      }
      const victim = yield* World.start(processOf("product"))
      const subscription = yield* victim.run(subscribe("product", oneByOne(hangsAt2)))
      yield* count(got, 2)
      yield* Fiber.interrupt(subscription)
      yield* victim.stop
      const rest: Array<Envelope> = []
      yield* (yield* World.start(processOf("product"))).run(subscribe("product", recordIn(rest)))
      yield* count(rest, 2)
      assert.deepStrictEqual(rest.map(({ sequence }) => sequence).slice(-2), [2, 3])
    }))

    test("shares the partitions between instances; who lost one may not settle", Effect.fnUntraced(function*(processOf) {
      const keys = yield* newKeys(30)
      const order = yield* World.start(processOf("order"))
      const first = yield* World.start(processOf("product"))
      const held = new Map<string, Given>()
      yield* first.run(subscribe("product", oneByOne((given) => {
        held.set(given.envelope.id, given)
        return Effect.never
      })))
      yield* order.run(publish("order", yield* statusChanges(keys, [1])))
      yield* World.eventually(Effect.sync(() => held.size), (size) => size >= 3)
      const second = yield* World.start(processOf("product"))
      const got: Array<Envelope> = []
      yield* second.run(subscribe("product", recordIn(got)))
      const ofTheFirst = Effect.sync(() => got.find(({ id }) => held.has(id)))
      const taken = yield* World.eventually(ofTheFirst, (one) => one !== undefined, "40 seconds")
      const lost = held.get(taken!.id)!
      const refused = yield* Effect.flip(first.run(SqlClient.SqlClient.use((sql) => sql.withTransaction(lost.settle))))
      assert.instanceOf(refused, Fenced)
      // What the first still has it keeps for itself.
      assert.isBelow(new Set(got.map(({ streamKey }) => streamKey)).size, 30)
    }))

    test("loses nothing of what two relays publish, whatever the order of the commits", Effect.fnUntraced(function*(processOf) {
      const orders = (n: number) => World.start(
        Relay.layer("order", { poll: World.poll }).pipe(
          Layer.provideMerge(Outbox.layer("order")),
          Layer.provideMerge(processOf("order"))
        )
      ).pipe(Effect.map((process) => ({ ...process, n })))
      const instances = [yield* orders(0), yield* orders(1)]
      const got: Array<Envelope> = []
      yield* (yield* World.start(processOf("product"))).run(subscribe("product", recordIn(got)))

      const tell = Effect.fnUntraced(function*(key: string, at: number) {
        const sql = yield* SqlClient.SqlClient
        const outbox = yield* Outbox
        yield* sql.withTransaction(Effect.gen(function*() {
          const [row] = yield* sql<{ sequence: number }>`
            insert into aggregate (id, sequence) values (${key}, 1)
            on conflict (id) do update set sequence = aggregate.sequence + 1 returning sequence`
          yield* outbox.append({ after: row!.sequence - 1, events: [World.statusChanged(key)] })
          // Positions and sequences are taken; commits come in quite another order.
          yield* Effect.sleep(at * 7 % 23)
        }))
      })
      const keys = yield* newKeys(25)
      yield* Effect.forEach(upTo(200), (at) => instances[at % 2]!.run(tell(keys[at * 3 % 25]!, at)), { concurrency: 12 })
      yield* World.eventually(Effect.sync(() => got.length), (length) => length === 200, "40 seconds")
      for (const sequences of byKey(got).values()) assert.deepStrictEqual(sequences, upTo(8))
    }))

    test("has one effect of an event that is published twice", Effect.fnUntraced(function*(processOf) {
      const events = yield* statusChanges(yield* newKeys(5), [1, 2])
      const order = yield* World.start(processOf("order"))
      yield* World.start(products(processOf))
      yield* order.run(publish("order", events))
      yield* order.run(publish("order", events.slice(0, 3)))
      const last = yield* World.envelope(World.statusChanged(events[0]!.streamKey), 3)
      yield* order.run(publish("order", [...events.slice(2), last]))
      const effects = yield* World.eventually(World.effects("product"), (all) => all.some(({ sequence }) => sequence === 3))
      yield* World.eventually(World.effects("product"), (all) => all.length >= 11)
      assert.strictEqual(new Set(effects.map(({ eventId }) => eventId)).size, effects.length)
    }))

    test("parks a poisoned stream and no other, and replays it in order", Effect.fnUntraced(function*(processOf) {
      const [sick, sound] = yield* newKeys(2)
      let cured = false
      const order = yield* World.start(processOf("order"))
      const product = yield* World.start(products(processOf, (to) =>
        to === "POISON" && !cured ? Effect.die(new Error("cannot be")) : Effect.void))
      yield* order.run(publish("order", [
        yield* World.envelope(World.statusChanged(sick!), 1),
        yield* World.envelope(World.statusChanged(sick!, "POISON"), 2),
        yield* World.envelope(World.statusChanged(sound!), 1),
        yield* World.envelope(World.statusChanged(sick!), 3),
        // Nobody knows the schema that wrote this one.
        yield* World.envelope(World.statusChanged(sick!), 4),
        yield* World.envelope(World.statusChanged(sound!), 2)
      ]))
      const letters = yield* World.eventually(product.run(DeadLetters.use((dead) => dead.list(10))), (all) => all.length === 3)
      yield* World.eventually(World.effects("product"), (all) => all.length === 3)
      assert.deepStrictEqual(letters.map(({ sequence, streamKey }) => [streamKey, sequence]), [[sick, 2], [sick, 3], [sick, 4]])
      assert.include(letters[0]!.reason, "cannot be")
      assert.isNull(letters[1]!.reason)

      const stream = { context: "order" as const, streamKey: sick! }
      const failed = yield* Effect.flip(product.run(DeadLetters.use((dead) => dead.replay(stream))))
      assert.strictEqual(failed._tag, "ReplayFailed")
      cured = true
      assert.strictEqual(yield* product.run(DeadLetters.use((dead) => dead.replay(stream))), 3)
      yield* order.run(publish("order", [yield* World.envelope(World.statusChanged(sick!), 5)]))
      const effects = yield* World.eventually(World.effects("product"), (all) => all.length === 7)
      assert.deepStrictEqual(byKey(effects).get(sick!), upTo(5))
      assert.deepStrictEqual(yield* product.run(DeadLetters.use((dead) => dead.list(10))), [])
    }))

    test("gives a batch handler what is consumed together, and parks only the stream that it cannot do", Effect.fnUntraced(function*(processOf) {
      const keys = yield* newKeys(20)
      const [sick] = keys
      const order = yield* World.start(processOf("order"))
      yield* order.run(publish("order", yield* statusChanges(keys, [1, 2])))
      const sizes: Array<number> = []
      let cured = false
      const product = yield* World.start(Consumer.layer("product", Effect.map(SqlClient.SqlClient, (sql) => ({
        OrderStatusChanged: {
          all: (told) => {
            sizes.push(told.length)
            if (!cured && told.some(({ event }) => event.to === "POISON")) return Effect.die(new Error("cannot be"))
            return Effect.forEach(told, ({ about, event }) => World.note(event._tag, about), { discard: true }).pipe(
              Effect.provideService(SqlClient.SqlClient, sql)
            )
          }
        },
        ProductStockChanged: () => Effect.void
      } satisfies Consumer.Handlers<"product">))).pipe(Layer.provideMerge(processOf("product"))))
      yield* World.eventually(World.effects("product"), (all) => all.length === 40)
      assert.isAbove(Math.max(...sizes), 1)

      yield* order.run(publish("order", [
        yield* World.envelope(World.statusChanged(sick!, "POISON"), 3),
        ...(yield* statusChanges(keys.slice(1), [3])),
        yield* World.envelope(World.statusChanged(sick!), 4)
      ]))
      yield* World.eventually(World.effects("product"), (all) => all.length === 59)
      yield* World.eventually(product.run(DeadLetters.use((dead) => dead.list(10))), (all) => all.length === 2)
      cured = true
      assert.strictEqual(yield* product.run(DeadLetters.use((dead) => dead.replay({ context: "order", streamKey: sick! }))), 2)
      const found = byKey(yield* World.effects("product"))
      for (const key of keys) assert.deepStrictEqual(found.get(key), upTo(key === sick ? 4 : 3))
    }))

    test("keeps each stream's order where some types have batch handlers, and the cause of what they tell", Effect.fnUntraced(function*(processOf) {
      const keys = yield* newKeys(12)
      const payment = yield* World.start(processOf("payment"))
      const told = yield* Effect.forEach([1, 2, 3], (sequence) =>
        Effect.forEach(keys, (key) =>
          World.envelope(sequence === 2 ? World.refundCompleted(key) : World.paymentCompleted(key), sequence)))
      yield* payment.run(publish("payment", told.flat()))
      const order = yield* World.start(Consumer.layer("order", Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const outbox = yield* Outbox
        const note = (type: string, about: Consumer.About) => Effect.provideService(World.note(type, about), SqlClient.SqlClient, sql)
        return {
          PaymentCompleted: {
            all: (events) =>
              Effect.forEach(events, ({ about, event, origin }) =>
                Effect.andThen(
                  note(event._tag, about),
                  about.sequence === 1 ? outbox.append({ after: 0, events: [World.statusChanged(event.orderId)], origin }) : Effect.void
                ), { discard: true })
          },
          RefundCompleted: ({ _tag }, about) => note(_tag, about)
        } satisfies Consumer.Handlers<"order">
      })).pipe(Layer.provide(Outbox.layer("order")), Layer.provideMerge(processOf("order"))))
      const effects = yield* World.eventually(World.effects("order"), (all) => all.length === 36)
      for (const sequences of byKey(effects).values()) assert.deepStrictEqual(sequences, [1, 2, 3])
      const causes = yield* order.run(SqlClient.SqlClient.use((sql) =>
        sql<{ readonly streamKey: string; readonly causeId: string; readonly traceparent: string }>`
          select stream_key, cause_id, traceparent from outbox`))
      const first = new Map(told[0]!.map(({ id, streamKey }) => [streamKey, id]))
      assert.deepStrictEqual(new Map(causes.map(({ causeId, streamKey }) => [streamKey, causeId])), first)
      // Of the trace in which the payment was told.
      for (const { traceparent } of causes) assert.include(traceparent, "0af7651916cd43dd8448eb211c80319c")
    }))

    test("waits while the database or somebody else is away, and other partitions go on", Effect.fnUntraced(function*(processOf) {
      const keys = yield* newKeys(30)
      const [waiting] = keys
      const away = yield* Deferred.make<void>()
      let back = false
      let attempts = 0
      const order = yield* World.start(processOf("order"))
      yield* World.start(products(processOf, (to) => {
        attempts++
        return to !== "WAITS" ? Effect.sleep("20 millis") : back ? Effect.void : Effect.andThen(
          Deferred.succeed(away, undefined),
          Effect.fail(new TransportUnavailable({ detail: "not there", cause: undefined }))
        )
      }))
      yield* order.run(publish("order", [
        yield* World.envelope(World.statusChanged(waiting!, "WAITS"), 1),
        yield* World.envelope(World.statusChanged(waiting!), 2)
      ]))
      yield* Deferred.await(away)
      attempts = 0
      yield* order.run(publish("order", yield* statusChanges(keys.slice(1), [1])))
      let cut = 0
      const cuts = World.terminate("product").pipe(
        Effect.tap((sessions) => Effect.sync(() => cut += sessions)),
        Effect.andThen(Effect.sleep("100 millis")),
        Effect.repeat({ until: () => cut > 10 })
      )
      yield* cuts
      const others = yield* World.eventually(World.effects("product"), (all) => all.length >= 12, "30 seconds")
      assert.isFalse(others.some(({ streamKey }) => streamKey === waiting))
      assert.isAbove(attempts, others.length)
      back = true
      const effects = yield* World.eventually(World.effects("product"), (all) => all.length >= 31, "40 seconds")
      assert.strictEqual(new Set(effects.map(({ eventId }) => eventId)).size, 31)
      assert.strictEqual(effects.length, 31)
      assert.deepStrictEqual(byKey(effects).get(waiting!), [1, 2])
    }))
  })
}
