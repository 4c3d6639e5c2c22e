import { Result, Schema } from "effect"
import * as Lifecycle from "../Lifecycle.ts"
import { Money } from "../Money.ts"
import { OrderId } from "../Order/Ids.ts"
import { type PaymentEvent, RefundCompleted } from "./Events.ts"
import { PaymentId, RefundId } from "./Ids.ts"
import * as Ledger from "./Ledger.ts"

export const RefundStatus = Lifecycle.make("refund", {
  states: [
    "REQUESTED", "ACCOUNT_REQUIRED", "APPROVED", "REJECTED", "SUBMITTING", "PENDING_PROVIDER", "UNKNOWN", "SUCCEEDED",
    "FAILED", "MANUAL", "REVERSED"
  ],
  initial: "REQUESTED",
  on: {
    needAccount: { REQUESTED: "ACCOUNT_REQUIRED" },
    giveAccount: { ACCOUNT_REQUIRED: "REQUESTED" },
    approve: { REQUESTED: "APPROVED" },
    reject: { REQUESTED: "REJECTED" },
    submit: { APPROVED: "SUBMITTING", FAILED: "SUBMITTING", REVERSED: "SUBMITTING" },
    succeed: { SUBMITTING: "SUCCEEDED", PENDING_PROVIDER: "SUCCEEDED", UNKNOWN: "SUCCEEDED", MANUAL: "SUCCEEDED" },
    pend: { SUBMITTING: "PENDING_PROVIDER", UNKNOWN: "PENDING_PROVIDER" },
    lose: { SUBMITTING: "UNKNOWN" },
    fail: { SUBMITTING: "FAILED", PENDING_PROVIDER: "FAILED", UNKNOWN: "FAILED" },
    escalate: { FAILED: "MANUAL", UNKNOWN: "MANUAL" },
    reverse: { SUCCEEDED: "REVERSED" }
  }
})

export const RefundReason = Schema.Literals(["PAID_LATE"])

/** Money on its way back to the buyer. Its amount is reserved from APPROVED on. */
export class Refund extends Schema.Class<Refund>("Refund")({
  id: RefundId,
  paymentId: PaymentId,
  orderId: OrderId,
  amount: Money,
  reason: RefundReason,
  status: RefundStatus.State
}) {}

export interface RefundChange {
  readonly refund: Refund
  readonly transfers: ReadonlyArray<Ledger.Transfer>
  readonly events: ReadonlyArray<PaymentEvent>
}

type Outcome = Result.Result<RefundChange, Lifecycle.IllegalTransition>

const moved = (refund: Refund, event: "submit" | "lose" | "fail"): Outcome =>
  Result.map(RefundStatus.next(refund.status, event), (status) => ({
    refund: new Refund({ ...refund, status }),
    transfers: [],
    events: []
  }))

export const submit = (refund: Refund): Outcome => moved(refund, "submit")
export const lose = (refund: Refund): Outcome => moved(refund, "lose")
export const fail = (refund: Refund): Outcome => moved(refund, "fail")

/** The provider gave the money back: the ledger is reversed and the others are told. */
export const succeed = (refund: Refund): Outcome =>
  Result.map(RefundStatus.next(refund.status, "succeed"), (status) => ({
    refund: new Refund({ ...refund, status }),
    transfers: [Ledger.refund(refund.amount)],
    events: [RefundCompleted.make({
      refundId: refund.id,
      paymentId: refund.paymentId,
      orderId: refund.orderId,
      amount: refund.amount,
      reason: refund.reason
    })]
  }))
