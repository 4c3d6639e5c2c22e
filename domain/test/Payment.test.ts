import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import { PaymentId, RefundId } from "../src/Payment/Ids.ts"
import {
  confirm, create, type Finding, OrderPayments, Payment, type PaymentChange, PaymentStatus, seal, settle
} from "../src/Payment/Payment.ts"
import { fail, lose, Refund, submit, succeed } from "../src/Payment/Refund.ts"
import { krw, memberId, orderId, uuid } from "./samples.ts"

const open = new OrderPayments({ orderId, sealed: false, activeId: null })
const attempt = (n: number) => ({ id: PaymentId.make(uuid(n)), orderId, memberId, amount: krw(25_000), method: "CARD" as const, provider: "simulator" })
const payment = (status: typeof PaymentStatus.State.Type) => new Payment({ ...attempt(1), status, providerPaymentKey: "key", failure: null })
const active = new OrderPayments({ ...open, activeId: payment("READY").id })
const refundId = RefundId.make(uuid(77))
const captured: Finding = { _tag: "Captured", providerPaymentKey: "key" }

const balance = ({ transfers }: Pick<PaymentChange, "transfers">) =>
  transfers.flatMap(({ entries }) => entries).reduce((sum, { amount }) => sum + amount.amount, 0)

describe("payment", () => {
  it("replaces an attempt that waits for its buyer", () => {
    const { order, payments } = Result.getOrThrow(create(active, payment("READY"), attempt(2)))
    assert.deepStrictEqual(payments.map(({ status }) => status), ["EXPIRED", "READY"])
    assert.strictEqual(order.activeId, attempt(2).id)
  })

  it("refuses a second attempt while one may succeed or has succeeded, and after sealing", () => {
    for (const [status, reason] of [["CONFIRMING", "IN_PROGRESS"], ["UNKNOWN", "IN_PROGRESS"], ["MANUAL_REVIEW", "IN_PROGRESS"], ["PAID", "PAID"]] as const) {
      assert.deepInclude(Result.getOrThrow(Result.flip(create(active, payment(status), attempt(2)))), { reason })
    }
    const sealed = new OrderPayments({ ...open, sealed: true })
    assert.deepInclude(Result.getOrThrow(Result.flip(create(sealed, undefined, attempt(2)))), { reason: "SEALED" })
  })

  it("is confirmed once, for its own amount, and not after sealing", () => {
    assert.strictEqual(Result.getOrThrow(confirm(active, payment("READY"), "k", krw(25_000))).payments[0]?.status, "CONFIRMING")
    assert.strictEqual(Result.getOrThrow(Result.flip(confirm(active, payment("READY"), "k", krw(1))))._tag, "AmountMismatch")
    assert.strictEqual(Result.getOrThrow(Result.flip(confirm(active, payment("CONFIRMING"), "k", krw(25_000))))._tag, "IllegalTransition")
    const sealed = new OrderPayments({ ...active, sealed: true })
    assert.strictEqual(Result.getOrThrow(Result.flip(confirm(sealed, payment("READY"), "k", krw(25_000))))._tag, "PaymentNotPossible")
  })

  it("books and tells a capture once, however often it is found", () => {
    for (const status of ["CONFIRMING", "UNKNOWN", "MANUAL_REVIEW"] as const) {
      const change = settle(active, payment(status), captured, refundId)
      assert.deepStrictEqual([change.payments[0]?.status, change.events[0]?._tag, change.transfers.length], ["PAID", "PaymentCompleted", 1])
      assert.strictEqual(balance(change), 0)
    }
    assert.deepStrictEqual(settle(active, payment("PAID"), captured, refundId).payments, [])
  })

  it("pays a late success back in full, once", () => {
    for (const status of ["EXPIRED", "CANCELLED", "FAILED"] as const) {
      const change = settle(open, payment(status), captured, refundId)
      assert.strictEqual(change.payments[0]?.status, "PAID_LATE")
      assert.deepStrictEqual(change.refunds.map(({ amount, status }) => [amount.amount, status]), [[25_000, "APPROVED"]])
      assert.deepStrictEqual(change.events.map(({ _tag }) => _tag), ["RefundInitiated"])
    }
    assert.deepStrictEqual(settle(open, payment("PAID_LATE"), captured, refundId).refunds, [])
  })

  it("of doubtful outcome is UNKNOWN, never FAILED; never sent is as if never tried", () => {
    assert.strictEqual(settle(active, payment("CONFIRMING"), { _tag: "Unclear" }, refundId).payments[0]?.status, "UNKNOWN")
    assert.strictEqual(settle(active, payment("CONFIRMING"), { _tag: "NotSent" }, refundId).payments[0]?.status, "READY")
    assert.deepStrictEqual(settle(active, payment("UNKNOWN"), { _tag: "Unclear" }, refundId).payments, [])
  })

  it("leaves room for another attempt when declined", () => {
    const change = settle(active, payment("CONFIRMING"), { _tag: "Declined", reason: "no funds" }, refundId)
    assert.deepStrictEqual([change.payments[0]?.status, change.payments[0]?.failure, change.order.activeId], ["FAILED", "no funds", null])
  })

  it("is sealed only when nothing can succeed any more", () => {
    assert.deepInclude(seal(open, undefined), { result: "SEALED" })
    const given = seal(active, payment("READY"))
    assert.deepStrictEqual([given.result, given.change.payments[0]?.status, given.change.order.sealed], ["SEALED", "EXPIRED", true])
    for (const status of ["CONFIRMING", "UNKNOWN", "MANUAL_REVIEW", "AUTHORIZED", "WAITING_DEPOSIT"] as const) {
      assert.deepStrictEqual([seal(active, payment(status)).result, seal(active, payment(status)).change.order.sealed], ["IN_PROGRESS", false])
    }
    assert.deepStrictEqual(seal(active, payment("PAID")).result, "PAID")
  })

  it("captures at most once that is not refunded, whatever is found in whatever order", () => {
    const finding = fc.constantFrom<Finding>(captured, { _tag: "Declined", reason: "x" }, { _tag: "NotSent" }, { _tag: "Unclear" })
    fc.assert(fc.property(fc.constantFrom(...PaymentStatus.states), fc.array(finding), (start, findings) => {
      let current = payment(start)
      let order = active
      let captures = 0
      let refunds = 0
      for (const found of findings) {
        const change = settle(order, current, found, refundId)
        captures += change.transfers.length
        refunds += change.refunds.length
        current = change.payments[0] ?? current
        order = change.order
      }
      assert.isAtMost(captures, 1)
      assert.strictEqual(refunds, current.status === "PAID_LATE" && start !== "PAID_LATE" ? 1 : 0)
    }))
  })
})

describe("refund", () => {
  const approved = new Refund({ id: refundId, paymentId: attempt(1).id, orderId, amount: krw(25_000), reason: "PAID_LATE", status: "APPROVED" })

  it("reverses the ledger when the provider has paid, and only then", () => {
    const submitting = Result.getOrThrow(submit(approved)).refund
    const done = Result.getOrThrow(succeed(submitting))
    assert.deepStrictEqual([done.refund.status, done.events[0]?._tag], ["SUCCEEDED", "RefundCompleted"])
    assert.deepStrictEqual(done.transfers[0]?.entries.map(({ account, amount }) => [account, amount.amount]), [["ESCROW", -25_000], ["BUYER", 25_000]])
    assert.deepStrictEqual(Result.getOrThrow(lose(submitting)).transfers, [])
    assert.isTrue(Result.isFailure(succeed(approved)))
  })

  it("that failed is submitted again", () => {
    const failed = Result.getOrThrow(fail(Result.getOrThrow(submit(approved)).refund)).refund
    assert.strictEqual(Result.getOrThrow(submit(failed)).refund.status, "SUBMITTING")
  })
})
