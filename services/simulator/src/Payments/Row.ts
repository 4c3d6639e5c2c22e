import { Schema } from "effect"
import { Currency } from "@marketplace/domain/Money"
import { PaymentId } from "@marketplace/domain/Payment/Ids"
import { PaymentMethod } from "@marketplace/domain/Payment/Payment"
import { JournalEntry, ProviderPayment } from "../Api.ts"
import { saying } from "../Refusals.ts"

/** A movement of one payment. */
export const Entry = Schema.Struct({
  position: Schema.Int,
  kind: JournalEntry.fields.kind,
  transactionKey: Schema.String,
  amount: Schema.Int,
  reason: Schema.NullOr(Schema.String),
  idempotencyKey: Schema.NullOr(Schema.String),
  at: Schema.DateTimeUtcFromMillis
})
export type Entry = typeof Entry.Type

/** A payment with all that happened to it, in order. */
export const Row = Schema.Struct({
  paymentKey: Schema.String,
  orderId: PaymentId,
  amount: Schema.Int,
  currency: Currency,
  method: PaymentMethod,
  expired: Schema.Boolean,
  refusal: Schema.NullOr(Schema.Literals(["REJECT_CARD_PAYMENT", "REJECT_ACCOUNT_PAYMENT"])),
  entries: Schema.Array(Entry)
})
export type Row = typeof Row.Type

/** The columns of `Row`, from `payment p`, with the entries of that relation. As JSON, amounts come as numbers. */
export const columns = (entries = "entry") => `
  p.payment_key, p.order_id, p.amount::float8 as amount, p.currency, p.method, p.expires_at <= now() as expired, p.refusal,
  (select coalesce(jsonb_agg(jsonb_build_object(
      'position', e.position, 'kind', e.kind, 'transactionKey', e.transaction_key, 'amount', e.amount, 'reason', e.reason,
      'idempotencyKey', e.idempotency_key, 'at', floor(extract(epoch from e.at) * 1000)
    ) order by e.position), '[]') from ${entries} e where e.payment_key = p.payment_key) as entries`

export const captureOf = (row: Row): Entry | undefined => row.entries.find(({ kind }) => kind === "CAPTURE")

/** What was taken and not given back; 0 before the capture. */
export const balanceOf = ({ entries }: Row): number =>
  entries.reduce((balance, { amount, kind }) => balance + amount * effects[kind], 0)

const effects = { APPROVAL: 0, CAPTURE: 1, REFUND: -1 } as const

/** The payment as it was right after one of its entries: the first answer, for a repeated key. */
export const asOf = (row: Row, entry: Entry): Row => ({
  ...row,
  entries: row.entries.filter(({ position }) => position <= entry.position)
})

const statusOf = (row: Row): ProviderPayment["status"] => {
  if (captureOf(row) === undefined) return row.refusal !== null ? "ABORTED" : row.expired ? "EXPIRED" : "IN_PROGRESS"
  const balance = balanceOf(row)
  return balance === row.amount ? "DONE" : balance === 0 ? "CANCELED" : "PARTIAL_CANCELED"
}

export const viewOf = (row: Row): ProviderPayment => {
  const moved = row.entries.filter(({ kind }) => kind !== "APPROVAL")
  return new ProviderPayment({
    paymentKey: row.paymentKey,
    orderId: row.orderId,
    status: statusOf(row),
    method: row.method,
    currency: row.currency,
    totalAmount: row.amount,
    balanceAmount: moved.length === 0 ? row.amount : balanceOf(row),
    lastTransactionKey: moved.at(-1)?.transactionKey ?? null,
    cancels: moved.filter(({ kind }) => kind === "REFUND").map(({ amount, at, reason, transactionKey }) => ({
      transactionKey,
      cancelAmount: amount,
      cancelReason: reason ?? "",
      canceledAt: at
    })),
    failure: row.refusal === null ? null : saying(row.refusal)
  })
}
