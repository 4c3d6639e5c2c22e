import { Schema } from "effect"
import { Uuid } from "../Id.ts"

export const ProductId = Uuid.pipe(Schema.brand("ProductId")).annotate({ identifier: "ProductId" })
export type ProductId = typeof ProductId.Type

/** What is ordered, held and shipped. The seller's SKU is a name beside it, never a key outside its enterprise. */
export const VariantId = Uuid.pipe(Schema.brand("VariantId")).annotate({ identifier: "VariantId" })
export type VariantId = typeof VariantId.Type
