import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { NotPayable, PaymentDeclined } from "@marketplace/schema/Payment/HttpApi"
import { Unavailable } from "@marketplace/schema/Problems"
import * as Books from "./Books.ts"
import {
  approve, approved, approvedFor, confirm, eventually, type Fault, moved, newKey, offer, orderIs, paymentIs, place, script,
  startToPay, strikes
} from "./Shopping.ts"
import { type Buyer, Place } from "./Place.ts"
import { type Tests, World } from "./World.ts"

/** A buyer comes too late: the transfer was made, but the order has ended. */
const paidTooLate = Effect.fnUntraced(function*(buyer: Buyer, faults: ReadonlyArray<Fault>) {
  const tray = yield* offer()
  const late = yield* approvedFor(buyer, [tray], { method: "TRANSFER", faults })
  yield* Books.deadlinePasses(late.order)
  yield* orderIs(buyer, late.order, "EXPIRED")
  assert.instanceOf(yield* Effect.flip(confirm(buyer, late.payment, late.paymentKey)), NotPayable)
  yield* paymentIs(buyer, late.payment, "PAID_LATE")
  const refunds = buyer.client.refunds.list({ query: { order: late.order.id } })
  const [refund] = yield* eventually(refunds, ([refund]) => refund?.status === "SUCCEEDED")
  assert.deepStrictEqual([refund?.amount, refund?.reason], [late.payment.amount, "PAID_LATE"])
  assert.deepStrictEqual(yield* moved(late.payment), ["CAPTURE 12000", "REFUND 12000"])
  assert.deepStrictEqual(yield* Books.balancesOf(late.payment), { BUYER: 0, ESCROW: 0 })
  assert.strictEqual((yield* buyer.client.orders.get({ params: { id: late.order.id } })).status, "EXPIRED")
  assert.deepStrictEqual(yield* Books.stockOf(tray), { onHand: 100, held: 0, committed: 0 })
  return late
})

export const cases = (it: Tests) =>
  describe("a payment", () => {
    it.effect("that is declined may be followed by another", () => Effect.gen(function*() {
      const { buyers: { minji } } = yield* World
      const { order, payment, paymentKey } = yield* approved(minji, { faults: [{ fault: "DECLINE" }] })
      const key = yield* newKey
      const declined = yield* Effect.flip(confirm(minji, payment, paymentKey, key))
      assert.instanceOf(declined, PaymentDeclined)
      assert.strictEqual(declined.reason, "REJECT_CARD_PAYMENT")
      assert.deepStrictEqual(yield* Effect.flip(confirm(minji, payment, paymentKey, key)), declined)
      assert.deepStrictEqual(yield* moved(payment), [])
      const { failure, status } = yield* minji.client.payments.get({ params: { id: payment.id } })
      assert.deepStrictEqual([status, failure], ["FAILED", "REJECT_CARD_PAYMENT"])

      const second = yield* startToPay(minji, order)
      assert.strictEqual((yield* confirm(minji, second, yield* approve(second))).status, "PAID")
      yield* orderIs(minji, order, "PLACED")
    }))

    it.effect.each(["CAPTURE_TIME_OUT", "CAPTURE_CUT", "CAPTURE_SERVER_ERROR", "TIME_OUT", "SERVER_ERROR"] as const)(
      "is UNKNOWN after %s, then paid once",
      (fault) => Effect.gen(function*() {
        const { buyers: { minji } } = yield* World
        const { order, payment, paymentKey } = yield* approved(minji, { faults: [{ fault }] })
        const key = yield* newKey
        assert.strictEqual((yield* confirm(minji, payment, paymentKey, key)).status, "UNKNOWN")
        assert.instanceOf(yield* Effect.flip(startToPay(minji, order)), NotPayable)
        const paid = yield* paymentIs(minji, payment, "PAID")
        yield* orderIs(minji, order, "PLACED")
        assert.deepStrictEqual(yield* confirm(minji, payment, paymentKey, key), paid)
        assert.deepStrictEqual(yield* strikes(payment), [1])
        assert.deepStrictEqual(yield* moved(payment), ["CAPTURE 12000"])
        assert.instanceOf(yield* Effect.flip(startToPay(minji, order)), NotPayable)
      })
    )

    it.effect("is not given up because the provider does not know it", () => Effect.gen(function*() {
      const { buyers: { minji } } = yield* World
      const { order, payment, paymentKey } = yield* approved(minji, {
        faults: [{ fault: "CAPTURE_CUT" }, { fault: "NOT_FOUND" }]
      })
      assert.strictEqual((yield* confirm(minji, payment, paymentKey)).status, "UNKNOWN")
      yield* paymentIs(minji, payment, "PAID")
      yield* orderIs(minji, order, "PLACED")
      assert.deepStrictEqual(yield* strikes(payment), [1, 1])
      assert.deepStrictEqual(yield* moved(payment), ["CAPTURE 12000"])
    }))

    it.effect("that turns out to be declined is told to who asked", () => Effect.gen(function*() {
      const { buyers: { minji } } = yield* World
      const { order, payment, paymentKey } = yield* approved(minji, { faults: [{ fault: "SERVER_ERROR" }, { fault: "DECLINE" }] })
      const key = yield* newKey
      assert.strictEqual((yield* confirm(minji, payment, paymentKey, key)).status, "UNKNOWN")
      yield* paymentIs(minji, payment, "FAILED")
      assert.instanceOf(yield* Effect.flip(confirm(minji, payment, paymentKey, key)), PaymentDeclined)
      assert.strictEqual((yield* startToPay(minji, order)).status, "READY")
    }))

    it.effect("meets the fault that its amount names", () => Effect.gen(function*() {
      const { buyers: { minji } } = yield* World
      const payment = yield* startToPay(minji, yield* place(minji, [yield* offer({ price: 129_906 })]))
      assert.strictEqual((yield* confirm(minji, payment, yield* approve(payment))).status, "UNKNOWN")
      assert.deepStrictEqual((yield* script(payment.id)).faults.map(({ fault }) => fault), ["CAPTURE_CUT"])
      yield* paymentIs(minji, payment, "PAID")
    }))

    it.effect("that was given up for another and succeeds is paid back", () => Effect.gen(function*() {
      const { buyers: { minji } } = yield* World
      const { order, payment, paymentKey } = yield* approved(minji, { method: "TRANSFER" })
      const card = yield* startToPay(minji, order)
      yield* paymentIs(minji, payment, "EXPIRED")
      yield* confirm(minji, card, yield* approve(card))
      yield* orderIs(minji, order, "PLACED")
      const refused = yield* Effect.flip(confirm(minji, payment, paymentKey))
      assert.strictEqual(refused._tag, "NotConfirmable")
      yield* paymentIs(minji, payment, "PAID_LATE")
      yield* eventually(minji.client.refunds.list({ query: { order: order.id } }), (refunds) =>
        refunds.length === 1 && refunds[0]?.status === "SUCCEEDED")
      assert.deepStrictEqual(yield* moved(payment), ["CAPTURE 12000", "REFUND 12000"])
      assert.deepStrictEqual(yield* moved(card), ["CAPTURE 12000"])
      yield* orderIs(minji, order, "PLACED")
    }))

    it.effect("that comes after the order has ended is paid back; the order stays ended", () => Effect.gen(function*() {
      const { buyers: { minji } } = yield* World
      yield* paidTooLate(minji, [])
    }))

    it.effect.each(["REFUND_TIME_OUT", "REFUND_FAIL"] as const)(
      "is paid back once, %s or not",
      (fault) => Effect.gen(function*() {
        const { buyers: { minji } } = yield* World
        const { payment } = yield* paidTooLate(minji, [{ fault }])
        assert.deepStrictEqual(yield* strikes(payment), [1])
      })
    )
  })

/** What concerns the provider as a whole; others must not need it meanwhile. */
export const providerAway = (it: Tests) =>
  describe("without a provider", () => {
    it.effect("nothing is sent: the payment waits, and the same key works later", () => Effect.gen(function*() {
      const { buyers: { minji }, startProvider, stopProvider } = yield* World
      const { order, payment, paymentKey } = yield* approved(minji)
      const key = yield* newKey
      yield* stopProvider
      assert.instanceOf(yield* Effect.flip(confirm(minji, payment, paymentKey, key)), Unavailable)
      assert.strictEqual((yield* minji.client.payments.get({ params: { id: payment.id } })).status, "READY")
      yield* startProvider
      assert.strictEqual((yield* confirm(minji, payment, paymentKey, key)).status, "PAID")
      yield* orderIs(minji, order, "PLACED")
      assert.deepStrictEqual(yield* moved(payment), ["CAPTURE 12000"])
    }))

    it.effect("one that answers 503 leaves it UNKNOWN, until it is there again", () => Effect.gen(function*() {
      const { buyers: { minji } } = yield* World
      const { provider } = yield* Place
      const { order, payment, paymentKey } = yield* approved(minji)
      yield* provider.control.switch({ payload: { down: true } })
      assert.strictEqual((yield* confirm(minji, payment, paymentKey)).status, "UNKNOWN")
      // of the confirmation, and of a look
      yield* eventually(provider.control.switched(), ({ applied }) => applied >= 2)
      assert.strictEqual((yield* minji.client.payments.get({ params: { id: payment.id } })).status, "UNKNOWN")
      yield* provider.control.switch({ payload: { down: false } })
      yield* paymentIs(minji, payment, "PAID")
      yield* orderIs(minji, order, "PLACED")
      assert.deepStrictEqual(yield* moved(payment), ["CAPTURE 12000"])
    }))
  })
