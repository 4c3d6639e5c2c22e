import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Layer, type Scope } from "effect"
import { SqlClient } from "effect/sql"
import type { Envelope } from "../src/Envelope.ts"
import { Fenced } from "../src/EventTransport.ts"
import { Outbox } from "../src/Outbox.ts"
import * as Relay from "../src/Relay.ts"
import { consumerContract, type DeclareTest } from "./consumerContract.ts"
import { byKey, newKeys, type ProcessOf, publish, statusChanges, upTo } from "./Publishing.ts"
import { type Given, oneByOne, recordIn, subscribe } from "./Subscribing.ts"
import * as World from "./World.ts"

interface Suite {
  /** A fresh installation of the transport: nobody has told anything there. */
  readonly install: Effect.Effect<ProcessOf, never, Scope.Scope>
}

/** Every implementation of `EventTransport` keeps these promises, and consumers theirs on each of them. */
export const transportContract = (name: string, { install }: Suite) => {
  const count = (got: ReadonlyArray<unknown>, n: number) =>
    World.eventually(Effect.sync(() => got.length), (length) => length >= n)

  layer(World.Template.layer, { excludeTestServices: true })(name, (it) => {
    const test: DeclareTest = (promise, body) =>
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

    consumerContract(test)
  })
}
