import { Schema } from "effect"
import { EnterpriseId } from "../User/Ids.ts"
import { ProductId, VariantId } from "./Ids.ts"

/** What the Product context tells the others. */
export const ProductEvent = Schema.TaggedUnion({
  ProductCreated: { productId: ProductId, enterpriseId: EnterpriseId, variantIds: Schema.Array(VariantId) },
  ProductStockChanged: {
    productId: ProductId,
    variantId: VariantId,
    available: Schema.Int.annotate({ description: "Units that can be ordered" }),
    sold: Schema.Int.annotate({ description: "Units that buyers paid for, ever" })
  }
})
export type ProductEvent = typeof ProductEvent.Type
export const { ProductCreated, ProductStockChanged } = ProductEvent.cases
export type ProductStockChanged = typeof ProductStockChanged.Type
