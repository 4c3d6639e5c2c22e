import { assert, layer } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Layer, Logger, Schedule } from "effect"
import { SecureRandom } from "effect/crypto"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { type Currency, Money } from "@marketplace/domain/Money"
import { PaymentId, RefundId } from "@marketplace/domain/Payment/Ids"
import type { PaymentMethod } from "@marketplace/domain/Payment/Payment"
import * as TestDatabase from "@marketplace/testing/TestDatabase"
import { findingOf, PaymentGateway } from "../src/PaymentGateway.ts"
import { layerSimulator } from "../src/PaymentGateway/Simulator.ts"
import * as SimulatorProcess from "./SimulatorProcess.ts"

class Provider extends Context.Service<Provider, Effect.Success<typeof SimulatorProcess.start>>()("test/Provider") {}

const provider = Layer.effect(Provider, SimulatorProcess.start).pipe(Layer.provide(TestDatabase.layer([])))

const gatewayWith = (env: Record<string, string>) =>
  Layer.unwrap(Effect.gen(function*() {
    const { url } = yield* Provider
    const all = { PAYMENT_SIMULATOR_URL: url, PAYMENT_SIMULATOR_SECRET: SimulatorProcess.secret, ...env }
    return Layer.fresh(layerSimulator).pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: all }))))
  }))

const World = gatewayWith({ PAYMENT_SIMULATOR_PUBLIC_URL: "https://pay.example/sim" }).pipe(
  Layer.provideMerge(provider),
  Layer.provideMerge([NodeCrypto.layerSecureRandom, Logger.layer([])])
)

/** With a short deadline, for answers that never come. */
const hasty = Effect.map(Layer.build(gatewayWith({ PAYMENT_SIMULATOR_DEADLINE: "500 millis" })), Context.get(PaymentGateway))

layer(World, { excludeTestServices: true, timeout: "60 seconds" })("payment gateway on the simulator", (it) => {
  const won = (amount: number) => new Money({ amount, currency: "KRW" satisfies Currency })
  const often = Schedule.spaced("50 millis").pipe(Schedule.upTo({ times: 200 }))
  const uuid = SecureRandom.SecureRandom.use((random) => random.uuidV7())

  const approved = Effect.fn(function*(amount = won(15_000), method: PaymentMethod = "CARD") {
    const provider = yield* Provider
    const paymentId = PaymentId.make(yield* uuid)
    return { paymentId, amount, providerPaymentKey: yield* provider.approve(paymentId, amount, method) }
  })

  const paid = Effect.fn(function*(amount = won(15_000)) {
    const gateway = yield* PaymentGateway
    const payment = yield* approved(amount)
    assert.strictEqual((yield* gateway.confirm(payment))._tag, "Captured")
    return payment
  })

  const refundOf = Effect.fn(function*(payment: { readonly providerPaymentKey: string }, amount: Money) {
    return { refundId: RefundId.make(yield* uuid), providerPaymentKey: payment.providerPaymentKey, amount, reason: "PAID_LATE" }
  })

  /** Plans a fault, and fails if it has not struck by the end. */
  const suffering = <A, E, R>(
    payment: { readonly paymentId: PaymentId },
    plan: SimulatorProcess.Plan,
    test: Effect.Effect<A, E, R>
  ) =>
    Effect.gen(function*() {
      const provider = yield* Provider
      yield* provider.plan(payment.paymentId, plan)
      const result = yield* test
      const strikes = yield* provider.strikes(payment.paymentId).pipe(
        Effect.repeat({ until: ([applied]) => applied === (plan.times ?? 1), schedule: often })
      )
      assert.deepStrictEqual(strikes, [plan.times ?? 1])
      return result
    })

  const captured = ({ providerPaymentKey }: { readonly providerPaymentKey: string }) =>
    ({ _tag: "Captured", providerPaymentKey }) as const

  it.effect("sends the buyer's browser to the public address", () => Effect.gen(function*() {
    const gateway = yield* PaymentGateway
    const id = PaymentId.make(yield* uuid)
    const url = new URL(gateway.checkoutUrl({ id, amount: won(15_000), method: "TRANSFER" }))
    assert.strictEqual(url.origin + url.pathname, "https://pay.example/sim/checkout")
    const asked = { paymentId: id, amount: "15000", currency: "KRW", method: "TRANSFER" }
    assert.deepStrictEqual(Object.fromEntries(url.searchParams), asked)
  }))

  it.effect("captures exactly once, however often and however many at once", () => Effect.gen(function*() {
    const gateway = yield* PaymentGateway
    const provider = yield* Provider
    const payment = yield* approved()
    const findings = yield* Effect.all(Array.from({ length: 20 }, () => gateway.confirm(payment)), { concurrency: "unbounded" })
    for (const finding of findings) assert.deepStrictEqual(finding, captured(payment))
    assert.deepStrictEqual(yield* gateway.confirm(payment), captured(payment))
    assert.deepStrictEqual(
      (yield* provider.moved(payment.paymentId)).map(({ amount, idempotencyKey, kind }) => [kind, amount, idempotencyKey]),
      [["CAPTURE", 15_000, payment.paymentId]]
    )
  }))

  it.effect("tells what the provider knows of a payment", () => Effect.gen(function*() {
    const gateway = yield* PaymentGateway
    assert.deepStrictEqual(yield* gateway.find(PaymentId.make(yield* uuid)), { _tag: "NotFound" })
    const payment = yield* approved()
    assert.deepStrictEqual(yield* gateway.find(payment.paymentId), { _tag: "Pending" })
    yield* gateway.confirm(payment)
    const state = yield* gateway.find(payment.paymentId)
    assert.deepStrictEqual(state, { ...captured(payment), amount: won(15_000) })
    assert.deepStrictEqual(yield* findingOf({ id: payment.paymentId, amount: won(15_000) }, state), captured(payment))
    yield* gateway.refund(yield* refundOf(payment, won(15_000)))
    assert.deepStrictEqual(yield* gateway.find(payment.paymentId), state)
  }))

  it.effect("finds money that was taken without any confirmation", () => Effect.gen(function*() {
    const gateway = yield* PaymentGateway
    const provider = yield* Provider
    const payment = yield* approved(won(7_000), "TRANSFER")
    assert.deepStrictEqual(yield* gateway.find(payment.paymentId), { ...captured(payment), amount: won(7_000) })
    assert.deepStrictEqual(yield* gateway.confirm(payment), captured(payment))
    assert.strictEqual((yield* provider.moved(payment.paymentId)).length, 1)
  }))

  it.effect("never takes another amount for the payment's", () => Effect.gen(function*() {
    const gateway = yield* PaymentGateway
    const cheap = yield* approved(won(1), "TRANSFER")
    const payment = { ...cheap, amount: won(15_000) }
    assert.deepStrictEqual(yield* gateway.confirm(payment), { _tag: "Unclear" })
    const state = yield* gateway.find(payment.paymentId)
    assert.deepStrictEqual(state, { ...captured(payment), amount: won(1) })
    assert.deepStrictEqual(yield* findingOf({ id: payment.paymentId, amount: won(15_000) }, state), { _tag: "Unclear" })
    const card = yield* approved(won(1))
    const finding = yield* gateway.confirm({ ...card, amount: won(15_000) })
    assert.deepStrictEqual(finding, { _tag: "Declined", reason: "PAYMENT_AMOUNT_MISMATCH" })
    assert.deepStrictEqual(yield* gateway.find(card.paymentId), { _tag: "Pending" })
  }))

  it.effect("is declined for a key that the buyer made up or took from another payment", () => Effect.gen(function*() {
    const gateway = yield* PaymentGateway
    const [payment, other] = [yield* approved(), yield* paid()]
    for (const providerPaymentKey of ["sim_none", "../../script", other.providerPaymentKey]) {
      const finding = yield* gateway.confirm({ ...payment, providerPaymentKey })
      assert.deepStrictEqual(finding, { _tag: "Declined", reason: "NOT_FOUND_PAYMENT_SESSION" })
    }
    assert.deepStrictEqual(yield* gateway.find(payment.paymentId), { _tag: "Pending" })
  }))

  it.effect("declines for lack of funds, for good", () => Effect.gen(function*() {
    const gateway = yield* PaymentGateway
    const payment = yield* approved()
    const declined = { _tag: "Declined", reason: "REJECT_CARD_PAYMENT" } as const
    assert.deepStrictEqual(yield* suffering(payment, { fault: "DECLINE" }, gateway.confirm(payment)), declined)
    assert.deepStrictEqual(yield* gateway.confirm(payment), declined)
    assert.deepStrictEqual(yield* gateway.find(payment.paymentId), declined)
  }))

  for (const fault of ["TIME_OUT", "SERVER_ERROR"]) {
    it.effect(`does not know after ${fault}, and captures when it asks again`, () => Effect.gen(function*() {
      const gateway = yield* hasty
      const provider = yield* Provider
      const payment = yield* approved()
      assert.deepStrictEqual(yield* suffering(payment, { fault }, gateway.confirm(payment)), { _tag: "Unclear" })
      assert.deepStrictEqual(yield* gateway.find(payment.paymentId), { _tag: "Pending" })
      assert.deepStrictEqual(yield* provider.moved(payment.paymentId), [])
      assert.deepStrictEqual(yield* gateway.confirm(payment), captured(payment))
    }))
  }

  for (const fault of ["CAPTURE_TIME_OUT", "CAPTURE_SERVER_ERROR", "CAPTURE_CUT"]) {
    it.effect(`does not know after ${fault}, and finds the one capture when it looks`, () => Effect.gen(function*() {
      const gateway = yield* hasty
      const provider = yield* Provider
      const payment = yield* approved()
      assert.deepStrictEqual(yield* suffering(payment, { fault }, gateway.confirm(payment)), { _tag: "Unclear" })
      assert.deepStrictEqual(yield* gateway.find(payment.paymentId), { ...captured(payment), amount: payment.amount })
      assert.deepStrictEqual(yield* gateway.confirm(payment), captured(payment))
      assert.strictEqual((yield* provider.moved(payment.paymentId)).length, 1)
    }))
  }

  it.effect("does not know of a slow capture, which comes after it was given up", () => Effect.gen(function*() {
    const gateway = yield* hasty
    const payment = yield* approved()
    const finding = yield* suffering(payment, { fault: "SLOW", delayMillis: 2_500 }, gateway.confirm(payment))
    assert.deepStrictEqual(finding, { _tag: "Unclear" })
    assert.deepStrictEqual(yield* gateway.find(payment.paymentId), { _tag: "Pending" })
    const state = yield* gateway.find(payment.paymentId).pipe(
      Effect.repeat({ until: ({ _tag }) => _tag !== "Pending", schedule: often })
    )
    assert.deepStrictEqual(state, { ...captured(payment), amount: payment.amount })
  }))

  it.effect("keeps its deadline for a caller that cannot be interrupted", () => Effect.gen(function*() {
    const gateway = yield* hasty
    const payment = yield* approved()
    const finding = yield* suffering(payment, { fault: "TIME_OUT" }, Effect.uninterruptible(gateway.confirm(payment)))
    assert.deepStrictEqual(finding, { _tag: "Unclear" })
  }))

  it.effect("is not told of a payment for some reads", () => Effect.gen(function*() {
    const gateway = yield* PaymentGateway
    const payment = yield* paid()
    const reads = Effect.all([1, 2, 3].map(() => gateway.find(payment.paymentId)))
    const states = yield* suffering(payment, { fault: "NOT_FOUND", times: 2 }, reads)
    assert.deepStrictEqual(states.map(({ _tag }) => _tag), ["NotFound", "NotFound", "Captured"])
  }))

  it.effect("gives back in parts, each refund once, and no more than was taken", () => Effect.gen(function*() {
    const gateway = yield* PaymentGateway
    const provider = yield* Provider
    const payment = yield* paid(won(10_000))
    const first = yield* refundOf(payment, won(6_000))
    const same = yield* Effect.all(Array.from({ length: 10 }, () => gateway.refund(first)), { concurrency: "unbounded" })
    for (const finding of same) assert.deepStrictEqual(finding, { _tag: "Refunded" })
    const tooMuch = yield* gateway.refund(yield* refundOf(payment, won(6_000)))
    assert.deepStrictEqual(tooMuch, { _tag: "Refused", reason: "NOT_CANCELABLE_AMOUNT" })
    assert.deepStrictEqual(yield* gateway.refund(yield* refundOf(payment, won(4_000))), { _tag: "Refunded" })
    const nothingLeft = yield* gateway.refund(yield* refundOf(payment, won(1)))
    assert.deepStrictEqual(nothingLeft, { _tag: "Refused", reason: "ALREADY_CANCELED_PAYMENT" })
    assert.deepStrictEqual(yield* gateway.refund(first), { _tag: "Refunded" })
    assert.deepStrictEqual((yield* provider.moved(payment.paymentId)).map(({ amount, kind }) => [kind, amount]), [
      ["CAPTURE", 10_000], ["REFUND", 6_000], ["REFUND", 4_000]
    ])
  }))

  it.effect("gives nothing back of what was not taken", () => Effect.gen(function*() {
    const gateway = yield* PaymentGateway
    const payment = yield* approved()
    const finding = yield* gateway.refund(yield* refundOf(payment, payment.amount))
    assert.deepStrictEqual(finding, { _tag: "Refused", reason: "NOT_CANCELABLE_PAYMENT" })
  }))

  it.effect("does not know after a refund without answer, and asks again for the same", () => Effect.gen(function*() {
    const gateway = yield* hasty
    const provider = yield* Provider
    const payment = yield* paid()
    const refund = yield* refundOf(payment, payment.amount)
    assert.deepStrictEqual(yield* suffering(payment, { fault: "REFUND_TIME_OUT" }, gateway.refund(refund)), { _tag: "Unclear" })
    assert.deepStrictEqual(yield* gateway.refund(refund), { _tag: "Refunded" })
    assert.strictEqual((yield* provider.moved(payment.paymentId)).filter(({ kind }) => kind === "REFUND").length, 1)
  }))

  it.effect("is refused a refund, which may be asked for again", () => Effect.gen(function*() {
    const gateway = yield* PaymentGateway
    const provider = yield* Provider
    const payment = yield* paid()
    const refund = yield* refundOf(payment, payment.amount)
    const refused = yield* suffering(payment, { fault: "REFUND_FAIL" }, gateway.refund(refund))
    assert.deepStrictEqual(refused, { _tag: "Refused", reason: "REFUND_REJECTED" })
    assert.strictEqual((yield* provider.moved(payment.paymentId)).length, 1)
    assert.deepStrictEqual(yield* gateway.refund(refund), { _tag: "Refunded" })
  }))

  it.effect("does not know anything while the provider is down", () => Effect.gen(function*() {
    const gateway = yield* PaymentGateway
    const provider = yield* Provider
    const payment = yield* paid()
    const other = yield* approved()
    yield* provider.switchTo(true)
    assert.deepStrictEqual(yield* gateway.confirm(other), { _tag: "Unclear" })
    assert.deepStrictEqual(yield* gateway.find(payment.paymentId), { _tag: "Unreachable" })
    assert.deepStrictEqual(yield* gateway.refund(yield* refundOf(payment, payment.amount)), { _tag: "Unclear" })
    yield* provider.switchTo(false)
    assert.deepStrictEqual(yield* gateway.confirm(other), captured(other))
  }))

  it.effect("finds what was taken before the provider was killed", () => Effect.gen(function*() {
    const gateway = yield* PaymentGateway
    const provider = yield* Provider
    const payment = yield* approved()
    assert.deepStrictEqual(yield* suffering(payment, { fault: "CAPTURE_CUT" }, gateway.confirm(payment)), { _tag: "Unclear" })
    const refunded = yield* paid()
    const refund = yield* refundOf(refunded, won(5_000))
    assert.deepStrictEqual(yield* gateway.refund(refund), { _tag: "Refunded" })
    yield* provider.restart
    assert.deepStrictEqual(yield* gateway.find(payment.paymentId), { ...captured(payment), amount: payment.amount })
    assert.deepStrictEqual(yield* gateway.confirm(payment), captured(payment))
    assert.deepStrictEqual(yield* gateway.refund(refund), { _tag: "Refunded" })
    assert.deepStrictEqual((yield* provider.moved(refunded.paymentId)).map(({ amount, kind }) => [kind, amount]), [
      ["CAPTURE", 15_000], ["REFUND", 5_000]
    ])
  }))
})
