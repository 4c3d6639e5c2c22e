import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { VariantId } from "@marketplace/domain/Product/Ids"
import { Products } from "../src/Products.ts"
import { ProductRepository } from "../src/Products/Repository.ts"
import * as RepositoryPostgres from "../src/Products/RepositoryPostgres.ts"
import { listed } from "./Catalogue/Listings.ts"
import { database, newId } from "./World.ts"

const asked: Array<ReadonlyArray<VariantId>> = []

/** Notes which variants it is asked for. */
const noting = Layer.effect(ProductRepository, Effect.map(ProductRepository, (repository) =>
  ProductRepository.of({
    ...repository,
    byVariants: (variants) => {
      asked.push(variants)
      return repository.byVariants(variants)
    }
  }))).pipe(Layer.provide(RepositoryPostgres.layer))

const World = Products.layer.pipe(Layer.provideMerge(noting), Layer.provideMerge(database))

layer(World, { excludeTestServices: true })("quotes", (it) => {
  it.effect("that are asked for at the same time are one question, and each gets its own", () => Effect.gen(function*() {
    const products = yield* Products
    const [tray, cup] = [yield* listed(), yield* listed("INACTIVE")]
    const [small, large, other] = [tray.variants[0]!, tray.variants[1]!, cup.variants[0]!]
    const unknown = VariantId.make(yield* newId)
    const found = yield* Effect.forEach(
      [[large.id, small.id, large.id], [other.id], [unknown], [small.id, unknown, other.id]],
      (variants) => products.quote(variants),
      { concurrency: "unbounded" }
    )
    assert.deepStrictEqual(found.map((quotes) => quotes.map(({ variantId }) => variantId)), [
      [large.id, small.id], [other.id], [], [small.id, other.id]
    ])
    const [quotes] = found
    assert.deepStrictEqual(quotes?.map(({ productId, sellable, unitPrice }) => ({ productId, sellable, unitPrice })), [
      { productId: tray.id, sellable: true, unitPrice: large.price },
      { productId: tray.id, sellable: true, unitPrice: small.price }
    ])
    assert.isFalse(found[1]?.[0]?.sellable)
    assert.deepStrictEqual(asked.map((variants) => new Set(variants)), [new Set([large.id, small.id, other.id, unknown])])
    assert.strictEqual(asked[0]?.length, 4)
  }))
})
