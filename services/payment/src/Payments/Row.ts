import { Schema } from "effect"
import { OrderPayments, Payment } from "@marketplace/domain/Payment/Payment"
import { Refund } from "@marketplace/domain/Payment/Refund"

/** A payment as one JSON value in the shape of the domain class, from `payment p`. */
export const paymentJson = `jsonb_build_object(
  'id', p.id, 'orderId', p.order_id, 'memberId', p.member_id, 'method', p.method, 'provider', p.provider, 'status', p.status,
  'providerPaymentKey', p.provider_payment_key, 'failure', p.failure,
  'amount', jsonb_build_object('amount', p.amount, 'currency', p.currency))`

/** A refund likewise, from `refund r`. */
export const refundJson = `jsonb_build_object(
  'id', r.id, 'paymentId', r.payment_id, 'orderId', r.order_id, 'reason', r.reason, 'status', r.status,
  'amount', jsonb_build_object('amount', r.amount, 'currency', r.currency))`

export const PaymentRow = Schema.Struct({ payment: Payment })
export const RefundRow = Schema.Struct({ refund: Refund })

/** All attempts of an order, oldest first. */
export const OrderRow = Schema.Struct({ order: OrderPayments, payments: Schema.Array(Payment), sequence: Schema.Int })
