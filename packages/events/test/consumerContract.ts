import { assert } from "@effect/vitest"
import { Deferred, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import * as Consumer from "../src/Consumer.ts"
import { DeadLetters } from "../src/DeadLetters.ts"
import { TransportUnavailable } from "../src/EventTransport.ts"
import { Outbox } from "../src/Outbox.ts"
import { byKey, newKeys, type ProcessOf, publish, statusChanges, upTo } from "./Publishing.ts"
import * as World from "./World.ts"

/** Declares a test that has an installation of the transport for itself. */
export type DeclareTest = <E>(
  promise: string,
  body: (processOf: ProcessOf) => Effect.Effect<void, E, World.Environment>
) => void

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

/** What consumers promise on every transport. They keep their state in PostgreSQL in any case. */
export const consumerContract = (test: DeclareTest) => {
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
}
