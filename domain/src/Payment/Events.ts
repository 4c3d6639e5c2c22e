import { Schema } from "effect"
import { Money } from "../Money.ts"
import { OrderId } from "../Order/Ids.ts"
import { PaymentId, RefundId } from "./Ids.ts"

const payment = { paymentId: PaymentId, orderId: OrderId, amount: Money }
const refund = { refundId: RefundId, ...payment, reason: Schema.String }

/** What the Payment context tells the others. */
export const PaymentEvent = Schema.TaggedUnion({
  PaymentCreated: { ...payment, provider: Schema.String },
  PaymentCompleted: payment,
  PaymentFailed: { ...payment, reason: Schema.String },
  RefundInitiated: refund,
  RefundCompleted: refund
})
export type PaymentEvent = typeof PaymentEvent.Type
export const { PaymentCompleted, PaymentCreated, PaymentFailed, RefundCompleted, RefundInitiated } = PaymentEvent.cases
export type PaymentCompleted = typeof PaymentCompleted.Type
export type RefundCompleted = typeof RefundCompleted.Type
