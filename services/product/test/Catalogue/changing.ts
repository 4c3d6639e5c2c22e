import { assert, layer } from "@effect/vitest"
import { Effect, Result } from "effect"
import { ProductId, type VariantId } from "@marketplace/domain/Product/Ids"
import { type Product, ProductNotFound, showStock } from "@marketplace/domain/Product/Product"
import { ProductRepository } from "../../src/Products/Repository.ts"
import { newId } from "../World.ts"
import { adds, dearer, eventOf, listed, newVariant, numbers, priceOf } from "./Listings.ts"
import { sequencesFrom, type Store } from "./Store.ts"


export const changesProducts = <R, E, S>({ World, source, store }: Store<R, E, S>) =>
  layer(World, { excludeTestServices: true })(`changes of the catalogue on ${store}`, (it) => {
    const sequences = sequencesFrom(source)

    it.effect("stores a refusal as nothing", () => Effect.gen(function*() {
      const products = yield* ProductRepository
      const product = yield* listed()
      assert.strictEqual(yield* Effect.flip(products.update(product.id, () => Result.fail("no"))), "no")
      assert.deepStrictEqual(yield* products.get(product.id), product)
      assert.deepStrictEqual(yield* sequences(product.id), [1])
    }))

    it.effect("stores a change that tells nothing, and one that only tells", () => Effect.gen(function*() {
      const products = yield* ProductRepository
      const product = yield* listed()
      yield* products.update(product.id, dearer(0))
      assert.strictEqual(priceOf(yield* products.get(product.id)), 15_901)
      yield* products.update(product.id, (current) => Result.succeed({ state: current, events: [eventOf(current)] }))
      assert.deepStrictEqual(yield* sequences(product.id), [1, 2])
    }))

    it.effect("loses no concurrent change and no event", () => Effect.gen(function*() {
      const products = yield* ProductRepository
      const product = yield* listed()
      yield* Effect.all(Array.from({ length: 40 }, () => products.update(product.id, dearer(1))), { concurrency: "unbounded" })
      assert.strictEqual(priceOf(yield* products.get(product.id)), 15_940)
      assert.deepStrictEqual(yield* sequences(product.id), numbers(1, 41))
    }))

    it.effect("changes several at once, losing nothing to others who do, and telling nothing twice", () => Effect.gen(function*() {
      const products = yield* ProductRepository
      const listings = yield* Effect.replicateEffect(listed(), 4)
      const variants = yield* Effect.forEach(numbers(1, 20), (n) => newVariant(`TRAY-${n}`, n))
      // each change leaves out one of the four, and tells as many events of the nth as n
      yield* Effect.forEach(variants, (variant, i) =>
        products.updateAll(listings.flatMap(({ id }, n) => n === i % 4 ? [] : [{ id, rule: adds(variant, n) }])), {
        concurrency: "unbounded",
        discard: true
      })
      for (const [n, listing] of listings.entries()) {
        const expected = [...listing.variants, ...variants.filter((_, i) => n !== i % 4)]
        const { variants: stored } = yield* products.get(listing.id)
        assert.sameDeepMembers([...stored], expected)
        assert.deepStrictEqual(yield* sequences(listing.id), numbers(1, 1 + 15 * n))
      }
      yield* products.updateAll([])
    }))

    it.effect("changes none of several when one is missing or refused", () => Effect.gen(function*() {
      const products = yield* ProductRepository
      const [first, last] = yield* Effect.all([listed(), listed()])
      const unknown = ProductId.make(yield* newId)
      const changes = [first.id, unknown, last.id].map((id) => ({ id, rule: dearer(1) }))
      assert.deepStrictEqual(yield* Effect.flip(products.updateAll(changes)), new ProductNotFound({ productId: unknown }))
      const refused = products.updateAll<string>([
        { id: first.id, rule: dearer(1) },
        { id: last.id, rule: () => Result.fail("no") }
      ])
      assert.strictEqual(yield* Effect.flip(refused), "no")
      for (const product of [first, last]) {
        assert.deepStrictEqual(yield* products.get(product.id), product)
        assert.deepStrictEqual(yield* sequences(product.id), [1])
      }
    }))

    it.effect("shows the latest stock of a variant, in whatever order and how often it is told", () => Effect.gen(function*() {
      const products = yield* ProductRepository
      const product = yield* listed()
      const [small, large] = product.variants.map(({ id }) => id)
      const report = (variantId: VariantId, sequence: number) =>
        products.update(product.id, (current) =>
          Result.succeed(showStock([{ variantId, sequence, available: 100 - sequence, sold: sequence }])(current)))
      const shown = Effect.map(products.get(product.id), ({ variants }) =>
        variants.map(({ available, sold, stockSequence }) => ({ available, sold, stockSequence })))

      for (const sequence of [1, 3, 2, 3, 1]) yield* report(small!, sequence)
      assert.deepStrictEqual(yield* shown, [
        { available: 97, sold: 3, stockSequence: 3 },
        { available: 10, sold: 0, stockSequence: 0 }
      ])
      yield* Effect.forEach(
        [7, 4, 20, 11, 5, 20, 9],
        (sequence) => Effect.all([report(small!, sequence), report(large!, sequence + 1)]),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(yield* shown, [
        { available: 80, sold: 20, stockSequence: 20 },
        { available: 79, sold: 21, stockSequence: 21 }
      ])
      assert.deepStrictEqual(yield* sequences(product.id), [1])
    }))

    it.effect("shows the latest stock of several products, of which others tell at the same time", () => Effect.gen(function*() {
      const products = yield* ProductRepository
      const [one, both, other] = yield* Effect.all([listed(), listed(), listed()])
      const report = (some: ReadonlyArray<Product>, sequence: number) =>
        products.updateAll(some.map(({ id, variants }) => {
          const reports = variants.map((variant) => ({ variantId: variant.id, sequence, available: 100 - sequence, sold: sequence }))
          return { id, rule: (current) => Result.succeed(showStock(reports)(current)) }
        }))
      for (const n of numbers(1, 25)) {
        const told = [report([one, both], 2 * n), report([both, other], 2 * n + 1)]
        yield* Effect.all(n % 2 === 0 ? told : told.toReversed(), { concurrency: "unbounded" })
        const shown = yield* Effect.forEach([one, both, other], ({ id }) => products.get(id))
        assert.deepStrictEqual(
          shown.map(({ variants }) => variants.map(({ available, stockSequence }) => [available, stockSequence])),
          [2 * n, 2 * n + 1, 2 * n + 1].map((sequence) => Array.from({ length: 2 }, () => [100 - sequence, sequence]))
        )
      }
      assert.deepStrictEqual(yield* sequences(both.id), [1])
    }))
  })
