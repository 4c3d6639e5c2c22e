import { Config, Effect, Redacted } from "effect"
import { Members } from "@marketplace/user/Members"
import { Products } from "@marketplace/product/Products"
import { StockRepository } from "@marketplace/product/Stock/Repository"
import { demoPassword, members, products } from "./Seed/Data.ts"

/** Members to log in as and goods to buy. What is there already stays as it is, so it may run at each start. */
export const seedMembers = Effect.flatMap(Members, (service) => service.addVerified(members, Redacted.make(demoPassword)))

/** A product's stock is there before the product is shown. */
export const seedProducts = Effect.gen(function*() {
  const catalogue = yield* Products
  const stock = yield* StockRepository
  const count = yield* Config.Int("MARKETPLACE_PRODUCTS").pipe(Config.withDefault(100))
  yield* Effect.forEach(products(count), ({ onHand, product }) =>
    Effect.andThen(
      Effect.forEach(product.variants, ({ id }) => stock.insert({ variantId: id, productId: product.id, onHand }), { discard: true }),
      catalogue.add(product)
    ), { concurrency: 4, discard: true })
})

export const seed = Effect.andThen(seedMembers, seedProducts)
