import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { ProductId } from "@marketplace/domain/Product/Ids"
import type { Product, ProductNotFound, Variant } from "@marketplace/domain/Product/Product"
import { type Availability, CursorInvalid, ProductApi, ProductUnknown, ProductView, VariantView } from "@marketplace/schema/Product/HttpApi"
import { Cursor } from "@marketplace/service/Cursor"
import { Products } from "./Products.ts"

/** Decoding and guarding are done; call the service, show what the contract shows, say errors in its words. */
export const Http = HttpApiBuilder.group(ProductApi, "products", Effect.fn(function*(handlers) {
  const products = yield* Products
  const cursors = yield* Cursor
  return handlers.handleAll({
    list: Effect.fn(function*({ query: { cursor, limit } }) {
      const before = cursor === undefined ? undefined : yield* cursors.decode("products", ProductId, cursor)
      const items = yield* products.list({ before, limit: limit + 1 })
      return yield* cursors.page("products", items.map(view), limit)
    }, Effect.catchTag("CursorRefused", () => new CursorInvalid({}))),
    get: Effect.fn(function*({ params }) {
      return view(yield* products.get(params.id))
    }, Effect.catchTag("ProductNotFound", ({ productId }: ProductNotFound) => new ProductUnknown({ productId })))
  })
}))

const view = (product: Product) =>
  new ProductView({
    id: product.id,
    name: product.name,
    description: product.description,
    seller: { id: product.enterpriseId, name: product.seller },
    variants: product.variants.map((variant) =>
      new VariantView({ id: variant.id, sku: variant.sku, price: variant.price, availability: availability(variant) })
    ),
    sales: product.variants.reduce((sales, { sold }) => sales + sold, 0)
  })

/** From so many units on a variant is shown as low. */
const low = 5

const availability = ({ available }: Variant): typeof Availability.Type => available <= 0 ? "SOLD_OUT" : available <= low ? "LOW" : "IN_STOCK"
