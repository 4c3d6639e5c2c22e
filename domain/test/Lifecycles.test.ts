import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Lifecycle from "../src/Lifecycle.ts"
import { OrderStatus, SellerOrderStatus } from "../src/Order/Order.ts"
import { PaymentStatus } from "../src/Payment/Payment.ts"
import { RefundStatus } from "../src/Payment/Refund.ts"
import { ProductStatus } from "../src/Product/Product.ts"
import { MemberStatus } from "../src/User/Member.ts"

/** Every (state × event) pair of a lifecycle that leads somewhere; the others are refused. */
const legal = <S extends string, E extends string>(life: Lifecycle.Lifecycle<S, E>) =>
  life.events.map((event) =>
    `${event}: ${
      life.states.flatMap((state) =>
        Result.match(life.next(state, event), {
          onFailure: (refusal) => (assert.deepInclude(refusal, { lifecycle: life.name, state, event }), []),
          onSuccess: (to) => [`${state} → ${to}`]
        })
      ).join(", ")
    }`
  )

describe("lifecycles have these transitions and no others", () => {
  it("member", () =>
    assert.deepStrictEqual(legal(MemberStatus), [
      "verify: PENDING → ACTIVE",
      "disable: ACTIVE → DISABLED",
      "reinstate: DISABLED → ACTIVE",
      "erase: PENDING → ERASED, ACTIVE → ERASED, DISABLED → ERASED"
    ]))
  it("product", () =>
    assert.deepStrictEqual(legal(ProductStatus), [
      "propose: DRAFT → PROPOSED, CHANGES_REQUESTED → PROPOSED",
      "approve: PROPOSED → ACTIVE",
      "requestChanges: PROPOSED → CHANGES_REQUESTED",
      "reject: PROPOSED → REJECTED",
      "deactivate: ACTIVE → INACTIVE",
      "activate: INACTIVE → ACTIVE",
      "block: ACTIVE → BLOCKED, INACTIVE → BLOCKED",
      "unblock: BLOCKED → INACTIVE",
      "delete: DRAFT → DELETED, PROPOSED → DELETED, ACTIVE → DELETED, CHANGES_REQUESTED → DELETED, REJECTED → DELETED, "
      + "INACTIVE → DELETED, BLOCKED → DELETED"
    ]))
  it("order", () =>
    assert.deepStrictEqual(legal(OrderStatus), [
      "reserved: PLACING → AWAITING_PAYMENT",
      "reject: PLACING → REJECTED",
      "pay: AWAITING_PAYMENT → PLACED",
      "expire: AWAITING_PAYMENT → EXPIRED",
      "cancel: AWAITING_PAYMENT → CANCELLED"
    ]))
  it("seller order", () =>
    assert.deepStrictEqual(legal(SellerOrderStatus), [
      "pay: PENDING_PAYMENT → PAID",
      "drop: PENDING_PAYMENT → CANCELLED",
      "accept: PAID → PREPARING",
      "cancel: PAID → CANCELLED, PREPARING → CANCELLED, SHIPPING → CANCELLED",
      "handOver: PREPARING → SHIPPING",
      "deliver: SHIPPING → DELIVERED",
      "confirm: DELIVERED → CONFIRMED",
      "returned: DELIVERED → RETURNED"
    ]))
  it("payment", () =>
    assert.deepStrictEqual(legal(PaymentStatus), [
      "open: CREATED → READY",
      "confirm: READY → CONFIRMING",
      "unsend: CONFIRMING → READY",
      "succeed: CONFIRMING → PAID, AUTHORIZED → PAID, WAITING_DEPOSIT → PAID, UNKNOWN → PAID, MANUAL_REVIEW → PAID",
      "authorize: CONFIRMING → AUTHORIZED, UNKNOWN → AUTHORIZED",
      "awaitDeposit: CONFIRMING → WAITING_DEPOSIT, UNKNOWN → WAITING_DEPOSIT",
      "decline: CONFIRMING → FAILED, UNKNOWN → FAILED, MANUAL_REVIEW → FAILED",
      "lose: CONFIRMING → UNKNOWN",
      "escalate: UNKNOWN → MANUAL_REVIEW",
      "void: CREATED → CANCELLED, READY → CANCELLED, AUTHORIZED → CANCELLED, WAITING_DEPOSIT → CANCELLED",
      "expire: CREATED → EXPIRED, READY → EXPIRED, AUTHORIZED → EXPIRED, WAITING_DEPOSIT → EXPIRED",
      "reverse: PAID → WAITING_DEPOSIT",
      "proveLate: FAILED → PAID_LATE, EXPIRED → PAID_LATE, CANCELLED → PAID_LATE",
      "dispute: PAID → DISPUTED",
      "win: DISPUTED → PAID",
      "chargeBack: DISPUTED → CHARGED_BACK"
    ]))
  it("refund", () =>
    assert.deepStrictEqual(legal(RefundStatus), [
      "needAccount: REQUESTED → ACCOUNT_REQUIRED",
      "giveAccount: ACCOUNT_REQUIRED → REQUESTED",
      "approve: REQUESTED → APPROVED",
      "reject: REQUESTED → REJECTED",
      "submit: APPROVED → SUBMITTING, FAILED → SUBMITTING, REVERSED → SUBMITTING",
      "succeed: SUBMITTING → SUCCEEDED, PENDING_PROVIDER → SUCCEEDED, UNKNOWN → SUCCEEDED, MANUAL → SUCCEEDED",
      "pend: SUBMITTING → PENDING_PROVIDER, UNKNOWN → PENDING_PROVIDER",
      "lose: SUBMITTING → UNKNOWN",
      "fail: SUBMITTING → FAILED, PENDING_PROVIDER → FAILED, UNKNOWN → FAILED",
      "escalate: UNKNOWN → MANUAL, FAILED → MANUAL",
      "reverse: SUCCEEDED → REVERSED"
    ]))
  it("draws itself, ends included", () => {
    const diagram = Lifecycle.toMermaid(OrderStatus)
    assert.include(diagram, "[*] --> PLACING")
    assert.include(diagram, "AWAITING_PAYMENT --> PLACED: pay")
    assert.include(diagram, "EXPIRED --> [*]")
  })
})
