import { Schema } from "effect"
import { Uuid } from "../Id.ts"

export const OrderId = Uuid.pipe(Schema.brand("OrderId")).annotate({ identifier: "OrderId" })
export type OrderId = typeof OrderId.Type

export const SellerOrderId = Uuid.pipe(Schema.brand("SellerOrderId")).annotate({ identifier: "SellerOrderId" })
export type SellerOrderId = typeof SellerOrderId.Type

export const OrderLineId = Uuid.pipe(Schema.brand("OrderLineId")).annotate({ identifier: "OrderLineId" })
export type OrderLineId = typeof OrderLineId.Type
