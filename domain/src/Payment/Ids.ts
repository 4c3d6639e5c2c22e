import { Schema } from "effect"
import { Uuid } from "../Id.ts"

export const PaymentId = Uuid.pipe(Schema.brand("PaymentId")).annotate({ identifier: "PaymentId" })
export type PaymentId = typeof PaymentId.Type

export const RefundId = Uuid.pipe(Schema.brand("RefundId")).annotate({ identifier: "RefundId" })
export type RefundId = typeof RefundId.Type
