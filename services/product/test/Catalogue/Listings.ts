import { Effect, Result } from "effect"
import { Money } from "@marketplace/domain/Money"
import { ProductCreated } from "@marketplace/domain/Product/Events"
import { ProductId, VariantId } from "@marketplace/domain/Product/Ids"
import { create, LocalizedText, Product, Variant } from "@marketplace/domain/Product/Product"
import { EnterpriseId } from "@marketplace/domain/User/Ids"
import { ProductRepository, type Rule } from "../../src/Products/Repository.ts"
import { newId } from "../World.ts"

export const newVariant = Effect.fnUntraced(function*(sku: string, amount: number) {
  const price = new Money({ amount, currency: "KRW" })
  return new Variant({ id: VariantId.make(yield* newId), sku, price, available: 10, sold: 0, stockSequence: 0 })
})

export const newProduct = Effect.fnUntraced(function*(status: Product["status"] = "ACTIVE") {
  return new Product({
    id: ProductId.make(yield* newId),
    enterpriseId: EnterpriseId.make(yield* newId),
    seller: "한옥살림",
    name: new LocalizedText({ ko: "나무 쟁반", en: "Wooden tray" }),
    description: new LocalizedText({ ko: "손으로 만든 'O''Neill' \"쟁반\" $입니다.", en: "A tray, {made} by hand." }),
    status,
    variants: [yield* newVariant("TRAY-S", 15_900), yield* newVariant("TRAY-L", 5_000_000_000)]
  })
})

export const listed = Effect.fnUntraced(function*(status?: Product["status"]) {
  const products = yield* ProductRepository
  const product = yield* newProduct(status)
  yield* products.insert(create(product))
  return product
})

export const eventOf = ({ enterpriseId, id, variants }: Product) =>
  ProductCreated.make({ productId: id, enterpriseId, variantIds: variants.map((variant) => variant.id) })

/** Makes the first variant dearer by one, and tells so many events. */
export const dearer = (events: number): Rule<never> => (product) =>
  Result.succeed({
    state: new Product({
      ...product,
      variants: product.variants.map((variant, i) =>
        i > 0 ? variant : new Variant({ ...variant, price: new Money({ ...variant.price, amount: variant.price.amount + 1 }) })
      )
    }),
    events: Array.from({ length: events }, () => eventOf(product))
  })

/** Adds the variant and tells so many events; where it is already, nothing. */
export const adds = (variant: Variant, events: number): Rule<never> => (product) =>
  Result.succeed(
    product.variants.some(({ id }) => id === variant.id)
      ? { state: product, events: [] }
      : {
        state: new Product({ ...product, variants: [...product.variants, variant] }),
        events: Array.from({ length: events }, () => eventOf(product))
      }
  )

export const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

export const priceOf = (product: Product) => product.variants[0]?.price.amount
