import { assert, layer } from "@effect/vitest"
import { Effect, Result } from "effect"
import { ProductId, VariantId } from "@marketplace/domain/Product/Ids"
import { create, Product, ProductNotFound } from "@marketplace/domain/Product/Product"
import { ProductRepository } from "../../src/Products/Repository.ts"
import { newId } from "../World.ts"
import { dearer, listed, newProduct, numbers } from "./Listings.ts"
import { sequencesFrom, type Store } from "./Store.ts"


export const storesProducts = <R, E, S>({ World, source, store }: Store<R, E, S>) =>
  layer(World, { excludeTestServices: true })(`the catalogue on ${store}`, (it) => {
    const sequences = sequencesFrom(source)

    it.effect("gives back what was put in, and tells it", () => Effect.gen(function*() {
      const products = yield* ProductRepository
      const product = yield* listed()
      assert.deepStrictEqual(yield* products.get(product.id), product)
      assert.deepStrictEqual(yield* sequences(product.id), [1])
    }))

    it.effect("keeps what was put in first", () => Effect.gen(function*() {
      const products = yield* ProductRepository
      const product = yield* listed()
      const other = new Product({ ...product, seller: "제주바다" })
      yield* Effect.all(Array.from({ length: 5 }, () => products.insert(create(other))), { concurrency: "unbounded" })
      assert.deepStrictEqual(yield* products.get(product.id), product)
      assert.deepStrictEqual(yield* sequences(product.id), [1])
    }))

    it.effect("puts in once what many put in at once", () => Effect.gen(function*() {
      const products = yield* ProductRepository
      const product = yield* newProduct()
      yield* Effect.all(Array.from({ length: 10 }, () => products.insert(create(product))), { concurrency: "unbounded" })
      assert.deepStrictEqual(yield* sequences(product.id), [1])
    }))

    it.effect("knows what it does not have", () => Effect.gen(function*() {
      const products = yield* ProductRepository
      const id = ProductId.make(yield* newId)
      const known = yield* Effect.forEach(["ACTIVE", "INACTIVE"] as const, listed)
      assert.deepStrictEqual(yield* products.missing([...known.map((product) => product.id), id]), [id])
      assert.deepStrictEqual(yield* products.missing([]), [])
      assert.deepStrictEqual(yield* Effect.flip(products.get(id)), new ProductNotFound({ productId: id }))
      assert.deepStrictEqual(yield* Effect.flip(products.update(id, dearer(1))), new ProductNotFound({ productId: id }))
    }))

    it.effect("answers many readers at once, each with what he asked for", () => Effect.gen(function*() {
      const products = yield* ProductRepository
      const stored = yield* Effect.replicateEffect(listed(), 5)
      const unknown = ProductId.make(yield* newId)
      const ids = stored.flatMap(({ id }) => [id, unknown, id])
      const answers = yield* Effect.forEach(ids, (id) => Effect.result(products.get(id)), { concurrency: "unbounded" })
      assert.deepStrictEqual(
        answers,
        stored.flatMap((product) => [
          Result.succeed(product),
          Result.fail(new ProductNotFound({ productId: unknown })),
          Result.succeed(product)
        ])
      )
    }))

    it.effect("lists what is on sale, newest first, page by page, whatever is added meanwhile", () => Effect.gen(function*() {
      const products = yield* ProductRepository
      const own = yield* Effect.forEach(numbers(1, 7), () => listed())
      const hidden = yield* Effect.forEach(["DRAFT", "INACTIVE", "BLOCKED", "DELETED"] as const, listed)
      const seen: Array<ProductId> = []
      let before: ProductId | undefined = undefined
      while (true) {
        const page: ReadonlyArray<Product> = yield* products.listActive({ before, limit: 3 })
        assert.isAtMost(page.length, 3)
        before = page.at(-1)?.id
        if (before === undefined) break
        seen.push(...page.map(({ id }) => id))
        yield* listed()
      }
      assert.deepStrictEqual(seen, seen.toSorted().toReversed())
      assert.deepStrictEqual(seen.slice(0, 7), own.map(({ id }) => id).toReversed())
      assert.strictEqual(new Set(seen).size, seen.length)
      assert.deepStrictEqual(hidden.filter(({ id }) => seen.includes(id)), [])
    }))

    it.effect("finds products by their variants, each once", () => Effect.gen(function*() {
      const products = yield* ProductRepository
      const [one, other, third] = [yield* listed(), yield* listed("DRAFT"), yield* listed()]
      const [small, large] = one.variants.map(({ id }) => id)
      const found = yield* products.byVariants([small!, large!, other.variants[1]!.id, VariantId.make(yield* newId)])
      assert.deepStrictEqual(found.toSorted((a, b) => a.id < b.id ? -1 : 1), [one, other])
      assert.deepStrictEqual(yield* products.byVariants([third.variants[0]!.id]), [third])
      assert.deepStrictEqual(yield* products.byVariants([VariantId.make(yield* newId)]), [])
      assert.deepStrictEqual(yield* products.byVariants([]), [])
    }))
  })
