import { Context, Effect, Exit, Layer, Request, RequestResolver, Result } from "effect"
import { standard } from "@marketplace/domain/Order/Commission"
import { VariantQuote } from "@marketplace/domain/Order/Checkout"
import type { ProductId, VariantId } from "@marketplace/domain/Product/Ids"
import { create, type Product, ProductNotFound, showStock, type StockReport } from "@marketplace/domain/Product/Product"
import { ProductRepository } from "./Products/Repository.ts"

/** The catalogue: what is on sale, and what it costs. */
export class Products extends Context.Service<Products, {
  readonly add: (product: Product) => Effect.Effect<void>
  /** Those of the ids that no product has, on sale or not. */
  readonly missing: (ids: ReadonlyArray<ProductId>) => Effect.Effect<ReadonlyArray<ProductId>>
  /** A product that is not on sale does not exist for buyers. */
  readonly get: (id: ProductId) => Effect.Effect<Product, ProductNotFound>
  /** Newest first, those before `before`. */
  readonly list: (page: { readonly before: ProductId | undefined; readonly limit: number }) => Effect.Effect<ReadonlyArray<Product>>
  /** What the variants cost now, those that exist. SOLD_OUT ones are not sellable: an early no, never a promise. */
  readonly quote: (variants: ReadonlyArray<VariantId>) => Effect.Effect<ReadonlyArray<VariantQuote>>
  /** Takes over what the stock rows of variants said. */
  readonly showStock: (reports: ReadonlyArray<StockReport & { readonly productId: ProductId }>) => Effect.Effect<void, ProductNotFound>
}>()("@marketplace/product/Products") {
  static readonly layer = Layer.effect(Products, Effect.gen(function*() {
    const repository = yield* ProductRepository

    /** Variants that are asked for at the same time are one question, and one that everybody wants is asked for once. */
    const quotes = RequestResolver.make<QuoteOf>(Effect.fnUntraced(function*(entries) {
      const asked = new Set(entries.map(({ request }) => request.variantId))
      const products = yield* repository.byVariants([...asked])
      const found = new Map(products.flatMap((product) =>
        product.variants.filter(({ id }) => asked.has(id)).map((variant) => [variant.id, quote(product, variant)])))
      for (const { completeUnsafe, request } of entries) completeUnsafe(Exit.succeed(found.get(request.variantId)))
    }))

    return Products.of({
      add: Effect.fn("Products.add")((product) => repository.insert(create(product))),
      missing: Effect.fn("Products.missing")(repository.missing),
      get: Effect.fn("Products.get")((id) =>
        repository.get(id).pipe(
          Effect.filterOrFail((product) => product.status === "ACTIVE", () => new ProductNotFound({ productId: id }))
        )
      ),
      list: Effect.fn("Products.list")(repository.listActive),
      quote: Effect.fn("Products.quote")((variants) =>
        Effect.forEach(new Set(variants), (variantId) => Effect.request(new QuoteOf({ variantId }), quotes), {
          concurrency: "unbounded"
        }).pipe(Effect.map((found) => found.filter((one) => one !== undefined)))
      ),
      showStock: Effect.fn("Products.showStock")((reports) =>
        repository.updateAll(
          [...Map.groupBy(reports, ({ productId }) => productId)].map(([id, reports]) => ({
            id,
            rule: (product) => Result.succeed(showStock(reports)(product))
          }))
        )
      )
    })
  }))
}

class QuoteOf extends Request.TaggedClass("QuoteOf")<{ readonly variantId: VariantId }, VariantQuote | undefined> {}

const quote = (product: Product, variant: Product["variants"][number]) =>
  new VariantQuote({
    variantId: variant.id,
    productId: product.id,
    enterpriseId: product.enterpriseId,
    name: product.name,
    unitPrice: variant.price,
    sellable: product.status === "ACTIVE" && variant.available > 0,
    commission: standard
  })
