import { Schema } from "effect"
import type { Change } from "../Change.ts"
import * as Lifecycle from "../Lifecycle.ts"
import { Money } from "../Money.ts"
import { EnterpriseId } from "../User/Ids.ts"
import { ProductCreated, type ProductEvent } from "./Events.ts"
import { ProductId, VariantId } from "./Ids.ts"

export const ProductStatus = Lifecycle.make("product", {
  states: ["DRAFT", "PROPOSED", "ACTIVE", "CHANGES_REQUESTED", "REJECTED", "INACTIVE", "BLOCKED", "DELETED"],
  initial: "DRAFT",
  on: {
    propose: { DRAFT: "PROPOSED", CHANGES_REQUESTED: "PROPOSED" },
    approve: { PROPOSED: "ACTIVE" },
    requestChanges: { PROPOSED: "CHANGES_REQUESTED" },
    reject: { PROPOSED: "REJECTED" },
    deactivate: { ACTIVE: "INACTIVE" },
    activate: { INACTIVE: "ACTIVE" },
    block: { ACTIVE: "BLOCKED", INACTIVE: "BLOCKED" },
    unblock: { BLOCKED: "INACTIVE" },
    delete: {
      DRAFT: "DELETED",
      PROPOSED: "DELETED",
      ACTIVE: "DELETED",
      CHANGES_REQUESTED: "DELETED",
      REJECTED: "DELETED",
      INACTIVE: "DELETED",
      BLOCKED: "DELETED"
    }
  }
})

/** A text in the languages of the storefront. */
export class LocalizedText extends Schema.Class<LocalizedText>("LocalizedText")({
  ko: Schema.NonEmptyString,
  en: Schema.NonEmptyString
}) {}

/** One buyable form of a product. `available` and `sold` are copies for showing; the truth is the stock row. */
export class Variant extends Schema.Class<Variant>("Variant")({
  id: VariantId,
  sku: Schema.NonEmptyString,
  price: Money,
  available: Schema.Int,
  sold: Schema.Int,
  /** Sequence of the last ProductStockChanged that was applied here; an older one is ignored. */
  stockSequence: Schema.Int
}) {}

export class Product extends Schema.Class<Product>("Product")({
  id: ProductId,
  enterpriseId: EnterpriseId,
  /** Name of the shop, for showing. */
  seller: Schema.NonEmptyString,
  name: LocalizedText,
  description: LocalizedText,
  status: ProductStatus.State,
  variants: Schema.Array(Variant)
}) {}

export class ProductNotFound extends Schema.TaggedError<ProductNotFound>()("ProductNotFound", { productId: ProductId }) {}

export const create = (product: Product): Change<Product, ProductEvent> => ({
  state: product,
  events: [ProductCreated.make({ productId: product.id, enterpriseId: product.enterpriseId, variantIds: product.variants.map(({ id }) => id) })]
})

/** What the stock row said after its change number `sequence`. */
export interface StockReport {
  readonly variantId: VariantId
  readonly sequence: number
  readonly available: number
  readonly sold: number
}

/** Takes over what is newer than what is shown. Tells nobody: it repeats what was told. */
export const showStock = (reports: ReadonlyArray<StockReport>) => (product: Product): Change<Product, ProductEvent> => {
  const latest = new Map<VariantId, StockReport>()
  for (const report of reports) {
    if (report.sequence > (latest.get(report.variantId)?.sequence ?? 0)) latest.set(report.variantId, report)
  }
  const variants = product.variants.map((variant) => {
    const { available, sequence, sold } = latest.get(variant.id) ?? { ...variant, sequence: 0 }
    return sequence > variant.stockSequence ? new Variant({ ...variant, available, sold, stockSequence: sequence }) : variant
  })
  const isNews = variants.some((variant, n) => variant !== product.variants[n])
  return { state: isNews ? new Product({ ...product, variants }) : product, events: [] }
}
