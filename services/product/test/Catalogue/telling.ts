import { assert, layer } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import * as Codecs from "@marketplace/events/Codecs"
import { CurrentCause } from "@marketplace/events/Outbox"
import { ProductRepository } from "../../src/Products/Repository.ts"
import { newId } from "../World.ts"
import { dearer, eventOf, listed, numbers } from "./Listings.ts"
import { type Store, waitingFrom } from "./Store.ts"


export const tellsEvents = <R, E, S>({ World, source, store }: Store<R, E, S>) =>
  layer(World, { excludeTestServices: true })(`events of the catalogue on ${store}`, (it) => {
    const waiting = waitingFrom(source)

    it.effect("tells events with all that consumers are told of them", () => Effect.gen(function*() {
      const products = yield* ProductRepository
      const product = yield* listed()
      const cause = yield* newId
      const before = yield* DateTime.now
      const traceId = yield* Effect.gen(function*() {
        yield* products.update(product.id, dearer(2))
        return (yield* Effect.currentSpan).traceId
      }).pipe(Effect.provideService(CurrentCause, cause), Effect.withSpan("test"))
      const [first, second, third] = yield* waiting(product.id)
      assert.deepStrictEqual([first?.causeId, second?.causeId, third?.causeId], [null, cause, cause])
      assert.strictEqual(second?.traceparent?.split("-")[1], traceId)
      assert.deepStrictEqual([second?.context, second?.type], ["product", "ProductCreated"])
      assert.deepStrictEqual([first?.sequence, second?.sequence, third?.sequence], [1, 2, 3])
      assert.strictEqual(new Set([first?.id, second?.id, third?.id]).size, 3)
      assert.isAtMost(Math.abs(second!.occurredAt - DateTime.toEpochMillis(before)), 5_000)
      assert.deepStrictEqual(yield* Codecs.decode(third!), eventOf(product))
    }))

    it.effect("gives what waits in order, again until it is published, and then exactly the rest", () => Effect.gen(function*() {
      const products = yield* ProductRepository
      const product = yield* listed()
      for (const events of [2, 0, 3]) yield* products.update(product.id, dearer(events))
      const { next, published } = yield* source
      const own = Effect.map(next(10_000), (events) => events.filter(({ streamKey }) => streamKey === product.id))

      const all = yield* own
      assert.deepStrictEqual(all.map(({ sequence }) => sequence), [1, 2, 3, 4, 5, 6])
      assert.deepStrictEqual(yield* own, all)
      yield* published(all.slice(0, 2))
      const rest = yield* own
      assert.deepStrictEqual(rest, all.slice(2))
      // one more is written between reading and marking
      yield* products.update(product.id, dearer(1))
      yield* published(rest)
      yield* published(rest)
      const last = yield* own
      assert.deepStrictEqual(last.map(({ sequence }) => sequence), [7])
      yield* published(last)
      assert.deepStrictEqual(yield* own, [])
      yield* products.update(product.id, dearer(1))
      assert.deepStrictEqual((yield* own).map(({ sequence }) => sequence), [8])
    }).pipe(Effect.scoped))

    it.effect("is drained in small portions while it is written, without a gap", () => Effect.gen(function*() {
      const products = yield* ProductRepository
      const own = yield* Effect.forEach(numbers(1, 5), () => listed())
      const { next, published } = yield* source
      const seen = new Map<string, Array<number>>(own.map(({ id }) => [id, []]))
      const round = Effect.forEach(own, ({ id }) => products.update(id, dearer(2)), { concurrency: "unbounded" })
      const write = Effect.forEach(numbers(1, 10), () => round)
      const writing = yield* Effect.forkChild(write)
      while (true) {
        const written = writing.pollUnsafe() !== undefined
        const events = yield* next(7)
        assert.isAtMost(events.length, 7)
        for (const { sequence, streamKey } of events) seen.get(streamKey)?.push(sequence)
        yield* published(events)
        if (written && events.length === 0) break
      }
      for (const { id } of own) assert.deepStrictEqual(seen.get(id), numbers(1, 21))
    }).pipe(Effect.scoped))
  })
