import { Schema } from "effect"
import type { SqlClient } from "effect/sql"
import type { Transfer } from "@marketplace/domain/Payment/Ledger"
import { OrderPayments, Payment, type PaymentChange } from "@marketplace/domain/Payment/Payment"
import { Refund } from "@marketplace/domain/Payment/Refund"
import { nextLook } from "./Schedule.ts"

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
export const OrderRow = Schema.Struct({ order: OrderPayments, payments: Schema.Array(Payment), sequence: Schema.Int, version: Schema.Int })

/** What one write stores; a refund is looked at again after `due` seconds, or never. */
export interface Written extends Omit<PaymentChange, "refunds"> {
  readonly refunds: ReadonlyArray<typeof Refund.Type & { readonly due: number | null }>
}

type Booking = Written["transfers"][number] & Transfer & { readonly id: string }

/** `due` of a recordset as a time. */
export const inSeconds = (sql: SqlClient.SqlClient) => sql.literal("now() + due * interval '1 second'")

export const paymentsJson = (payments: Written["payments"]): string =>
  JSON.stringify(payments.map((payment) => ({
    id: payment.id,
    member_id: payment.memberId,
    ...payment.amount,
    method: payment.method,
    provider: payment.provider,
    status: payment.status,
    provider_payment_key: payment.providerPaymentKey,
    failure: payment.failure,
    due: nextLook(payment.status)
  })))

export const refundsJson = (refunds: Written["refunds"]): string =>
  JSON.stringify(refunds.map(({ amount, due, id, paymentId, reason, status }) => ({ id, payment_id: paymentId, ...amount, reason, status, due })))

export const transfersJson = (bookings: ReadonlyArray<Booking>): string =>
  JSON.stringify(bookings.map(({ id, kind, paymentId, refundId }) => ({ id, kind, payment_id: paymentId, refund_id: refundId })))

export const entriesJson = (bookings: ReadonlyArray<Booking>): string =>
  JSON.stringify(bookings.flatMap(({ entries, id }) => entries.map(({ account, amount }) => ({ transfer_id: id, account, ...amount }))))
