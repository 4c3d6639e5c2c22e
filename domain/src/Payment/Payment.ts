import { Result, Schema } from "effect"
import * as Lifecycle from "../Lifecycle.ts"
import { equals, Money } from "../Money.ts"
import { OrderId } from "../Order/Ids.ts"
import { MemberId } from "../User/Ids.ts"
import { PaymentCompleted, PaymentCreated, type PaymentEvent, PaymentFailed, RefundInitiated } from "./Events.ts"
import { PaymentId, RefundId } from "./Ids.ts"
import * as Ledger from "./Ledger.ts"
import { Refund, RefundStatus } from "./Refund.ts"

export const PaymentStatus = Lifecycle.make("payment", {
  states: [
    "CREATED", "READY", "CONFIRMING", "PAID", "AUTHORIZED", "WAITING_DEPOSIT", "FAILED", "UNKNOWN", "MANUAL_REVIEW",
    "EXPIRED", "CANCELLED", "PAID_LATE", "DISPUTED", "CHARGED_BACK"
  ],
  initial: "CREATED",
  on: {
    open: { CREATED: "READY" },
    confirm: { READY: "CONFIRMING" },
    unsend: { CONFIRMING: "READY" },
    succeed: { CONFIRMING: "PAID", UNKNOWN: "PAID", MANUAL_REVIEW: "PAID", WAITING_DEPOSIT: "PAID", AUTHORIZED: "PAID" },
    authorize: { CONFIRMING: "AUTHORIZED", UNKNOWN: "AUTHORIZED" },
    awaitDeposit: { CONFIRMING: "WAITING_DEPOSIT", UNKNOWN: "WAITING_DEPOSIT" },
    decline: { CONFIRMING: "FAILED", UNKNOWN: "FAILED", MANUAL_REVIEW: "FAILED" },
    lose: { CONFIRMING: "UNKNOWN" },
    escalate: { UNKNOWN: "MANUAL_REVIEW" },
    void: { CREATED: "CANCELLED", READY: "CANCELLED", WAITING_DEPOSIT: "CANCELLED", AUTHORIZED: "CANCELLED" },
    expire: { CREATED: "EXPIRED", READY: "EXPIRED", WAITING_DEPOSIT: "EXPIRED", AUTHORIZED: "EXPIRED" },
    reverse: { PAID: "WAITING_DEPOSIT" },
    proveLate: { EXPIRED: "PAID_LATE", CANCELLED: "PAID_LATE", FAILED: "PAID_LATE" },
    dispute: { PAID: "DISPUTED" },
    win: { DISPUTED: "PAID" },
    chargeBack: { DISPUTED: "CHARGED_BACK" }
  }
})
export type PaymentStatus = typeof PaymentStatus.State.Type

export const PaymentMethod = Schema.Literals(["CARD", "TRANSFER"])
export type PaymentMethod = typeof PaymentMethod.Type

/** One attempt to pay an order at a provider. */
export class Payment extends Schema.Class<Payment>("Payment")({
  id: PaymentId,
  orderId: OrderId,
  memberId: MemberId,
  amount: Money,
  method: PaymentMethod,
  provider: Schema.String,
  status: PaymentStatus.State,
  /** The provider's name for what the buyer approved; known from the confirmation on. */
  providerPaymentKey: Schema.NullOr(Schema.String),
  failure: Schema.NullOr(Schema.String)
}) {}

/** All attempts of one order. `sealed` refuses further ones; `activeId` is the attempt that may still succeed or has succeeded. */
export class OrderPayments extends Schema.Class<OrderPayments>("OrderPayments")({
  orderId: OrderId,
  sealed: Schema.Boolean,
  activeId: Schema.NullOr(PaymentId)
}) {}

export class PaymentNotFound extends Schema.TaggedError<PaymentNotFound>()("PaymentNotFound", { paymentId: PaymentId }) {}

/** The order takes no further payment: it is sealed, being paid, or paid. */
export class PaymentNotPossible extends Schema.TaggedError<PaymentNotPossible>()("PaymentNotPossible", {
  orderId: OrderId,
  reason: Schema.Literals(["SEALED", "IN_PROGRESS", "PAID"])
}) {}

/** The amount that the buyer's client confirms is not the amount of the payment. */
export class AmountMismatch extends Schema.TaggedError<AmountMismatch>()("AmountMismatch", { expected: Money, actual: Money }) {}

/** What one rule changes at once: the attempts' order, some attempts, what is owed back, what the ledger books, what is told. */
export interface PaymentChange {
  readonly order: OrderPayments
  readonly payments: ReadonlyArray<Payment>
  readonly refunds: ReadonlyArray<Refund>
  readonly transfers: ReadonlyArray<Ledger.Transfer & { readonly paymentId: PaymentId; readonly refundId: RefundId | null }>
  readonly events: ReadonlyArray<PaymentEvent>
}

const change = (order: OrderPayments, parts: Partial<PaymentChange>): PaymentChange => ({
  order,
  payments: [],
  refunds: [],
  transfers: [],
  events: [],
  ...parts
})

const inProgress = new Set<PaymentStatus>(["CONFIRMING", "UNKNOWN", "MANUAL_REVIEW", "AUTHORIZED", "WAITING_DEPOSIT"])
const captured = new Set<PaymentStatus>(["PAID", "DISPUTED", "CHARGED_BACK"])

const outdated = (active: Payment | undefined): ReadonlyArray<Payment> =>
  active === undefined
    ? []
    : Result.match(PaymentStatus.next(active.status, "expire"), {
      onFailure: () => [],
      onSuccess: (status) => [new Payment({ ...active, status })]
    })

/** Opens an attempt. One that waits for its buyer is given up for it; one that may succeed refuses it. */
export const create = (order: OrderPayments, active: Payment | undefined, payment: Omit<typeof Payment.Type, "status" | "providerPaymentKey" | "failure">):
  Result.Result<PaymentChange & { readonly opened: Payment }, PaymentNotPossible> => {
  const refuse = (reason: PaymentNotPossible["reason"]) => Result.fail(new PaymentNotPossible({ orderId: order.orderId, reason }))
  if (order.sealed) return refuse("SEALED")
  if (active !== undefined && inProgress.has(active.status)) return refuse("IN_PROGRESS")
  if (active !== undefined && captured.has(active.status)) return refuse("PAID")
  const opened = new Payment({ ...payment, status: "READY", providerPaymentKey: null, failure: null })
  const changed = change(new OrderPayments({ ...order, activeId: opened.id }), {
    payments: [...outdated(active), opened],
    events: [PaymentCreated.make({ paymentId: opened.id, orderId: order.orderId, amount: opened.amount, provider: opened.provider })]
  })
  return Result.succeed({ ...changed, opened })
}

/** Claims the attempt for one call to the provider. */
export const confirm = (order: OrderPayments, payment: Payment, key: string, amount: Money):
  Result.Result<PaymentChange, AmountMismatch | PaymentNotPossible | Lifecycle.IllegalTransition> =>
  Result.gen(function*() {
    if (!equals(amount, payment.amount)) return yield* Result.fail(new AmountMismatch({ expected: payment.amount, actual: amount }))
    if (order.sealed) return yield* Result.fail(new PaymentNotPossible({ orderId: order.orderId, reason: "SEALED" }))
    const status = yield* PaymentStatus.next(payment.status, "confirm")
    return change(order, { payments: [new Payment({ ...payment, status, providerPaymentKey: key })] })
  })

/** What is known of an attempt at the provider. */
export type Finding =
  | { readonly _tag: "Captured"; readonly providerPaymentKey: string }
  | { readonly _tag: "Declined"; readonly reason: string }
  /** Surely never sent: connection refused. */
  | { readonly _tag: "NotSent" }
  /** Time-out, server error or cut connection after sending. */
  | { readonly _tag: "Unclear" }

/**
 * Takes a finding over. The same finding twice changes nothing; success proven for an attempt that was given up is paid
 * back in full, always, and the order does not come back.
 *
 * @param refundId an unused id, for the refund of a late success
 */
export const settle = (order: OrderPayments, payment: Payment, finding: Finding, refundId: RefundId): PaymentChange => {
  const moved = (event: Parameters<typeof PaymentStatus.next>[1], more: Partial<typeof Payment.Type> = {}) =>
    Result.map(PaymentStatus.next(payment.status, event), (status) => new Payment({ ...payment, ...more, status }))
  const told = { paymentId: payment.id, orderId: payment.orderId, amount: payment.amount }
  const booked = { ...Ledger.capture(payment.amount), paymentId: payment.id, refundId: null }
  const nothing = () => change(order, {})
  switch (finding._tag) {
    case "Captured":
      return Result.match(moved("succeed", { providerPaymentKey: finding.providerPaymentKey, failure: null }), {
        onSuccess: (paid) => change(order, { payments: [paid], transfers: [booked], events: [PaymentCompleted.make(told)] }),
        onFailure: () =>
          Result.match(moved("proveLate", { providerPaymentKey: finding.providerPaymentKey }), {
            onFailure: nothing,
            onSuccess: (late) => {
              const refund = new Refund({ id: refundId, ...told, reason: "PAID_LATE", status: RefundStatus.initial })
              return change(order, {
                payments: [late],
                transfers: [booked],
                refunds: [new Refund({ ...refund, status: "APPROVED" })],
                events: [RefundInitiated.make({ ...told, refundId, reason: refund.reason })]
              })
            }
          })
      })
    case "Declined":
      return Result.match(moved("decline", { failure: finding.reason }), {
        onFailure: nothing,
        onSuccess: (failed) =>
          change(new OrderPayments({ ...order, activeId: order.activeId === payment.id ? null : order.activeId }), {
            payments: [failed],
            events: [PaymentFailed.make({ ...told, reason: finding.reason })]
          })
      })
    case "NotSent":
      return Result.match(moved("unsend"), { onFailure: nothing, onSuccess: (ready) => change(order, { payments: [ready] }) })
    case "Unclear":
      return Result.match(moved("lose"), { onFailure: nothing, onSuccess: (unknown) => change(order, { payments: [unknown] }) })
  }
}

/** The platform could not find out by itself; a person decides. */
export const escalate = (order: OrderPayments, payment: Payment): PaymentChange =>
  Result.match(PaymentStatus.next(payment.status, "escalate"), {
    onFailure: () => change(order, {}),
    onSuccess: (status) => change(order, { payments: [new Payment({ ...payment, status })] })
  })

/** Answer to the order that wants to end unpaid. Only after SEALED it may. */
export const SealResult = Schema.Literals(["SEALED", "IN_PROGRESS", "PAID"])
export type SealResult = typeof SealResult.Type

/** Refuses further attempts, unless one may still succeed or has succeeded. */
export const seal = (order: OrderPayments, active: Payment | undefined): { readonly result: SealResult; readonly change: PaymentChange } => {
  if (active !== undefined && inProgress.has(active.status)) return { result: "IN_PROGRESS", change: change(order, {}) }
  if (active !== undefined && captured.has(active.status)) return { result: "PAID", change: change(order, {}) }
  return { result: "SEALED", change: change(new OrderPayments({ ...order, sealed: true, activeId: null }), { payments: outdated(active) }) }
}
