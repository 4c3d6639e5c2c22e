import { Config, Effect, Redacted } from "effect"
import { Members } from "@marketplace/user/Members"
import { Products } from "@marketplace/product/Products"
import { StockRepository } from "@marketplace/product/Stock/Repository"
import { demoPassword, members, product, productId } from "./Seed/Data.ts"

/** Members to log in as and goods to buy. What is there already stays as it is, so it may run at each start. */
export const seedMembers = Effect.flatMap(Members, (service) => service.addVerified(members, Redacted.make(demoPassword)))

/** A product's stock is there before the product is shown: where the product is, nothing is missing. */
export const seedProducts = Effect.gen(function*() {
  const catalogue = yield* Products
  const stock = yield* StockRepository
  const count = yield* Config.Int("MARKETPLACE_PRODUCTS").pipe(Config.withDefault(100))
  const wanted = Array.from({ length: count }, (_, n) => ({ n, id: productId(n) }))
  const missing = new Set(yield* catalogue.missing(wanted.map(({ id }) => id)))
  yield* Effect.forEach(wanted.filter(({ id }) => missing.has(id)), Effect.fnUntraced(function*({ id, n }) {
    const first = product(n)
    yield* Effect.forEach(first.product.variants, (variant) =>
      stock.insert({ variantId: variant.id, productId: id, onHand: first.onHand }), { discard: true })
    yield* catalogue.add(first.product)
  }), { concurrency: 4, discard: true })
})

export const seed = Effect.andThen(seedMembers, seedProducts)
