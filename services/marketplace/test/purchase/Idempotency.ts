import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { IdempotencyKeyReused, RequestInFlight } from "@marketplace/schema/Problems"
import * as Books from "./Books.ts"
import { approved, confirm, eventually, moved, newKey, offer, orderIs, place, send, startToPay, wish } from "./Shopping.ts"
import { type Tests, World } from "./World.ts"

/** So many times at once; those that came while it was under way ask again until they have the answer, too. */
const atOnce = Effect.fnUntraced(function*<A, E, R>(times: number, request: Effect.Effect<A, E, R>) {
  const first = yield* Effect.forEach(Array.from({ length: times }), () => Effect.result(request), { concurrency: "unbounded" })
  const refusals = first.flatMap((result) => result._tag === "Failure" ? [result.failure] : [])
  for (const refusal of refusals) assert.instanceOf(refusal, RequestInFlight)
  const answers = first.flatMap((result) => result._tag === "Success" ? [result.success] : [])
  assert.isNotEmpty(answers)
  const repeated = eventually(Effect.result(request), ({ _tag }) => _tag === "Success")
  const again = yield* Effect.forEach(refusals, () => repeated, { concurrency: 4 })
  const all = [...answers, ...again.flatMap((result) => result._tag === "Success" ? [result.success] : [])]
  assert.strictEqual(all.length, times)
  for (const answer of all) assert.deepStrictEqual(answer, all[0])
  return all[0]!
})

export const cases = (it: Tests) =>
  describe("an idempotency key", () => {
    it.effect("makes one order of 50 equal checkouts at once", () => Effect.gen(function*() {
      const { buyers: { minji } } = yield* World
      const tray = yield* offer()
      const order = yield* atOnce(50, place(minji, [tray], { key: yield* newKey }))
      assert.deepStrictEqual(yield* Books.ordersOf(tray), [{ id: order.id, status: "AWAITING_PAYMENT" }])
      assert.strictEqual((yield* Books.stockOf(tray)).held, 1)
    }))

    it.effect("makes one payment, and charges once", () => Effect.gen(function*() {
      const { buyers: { minji } } = yield* World
      const order = yield* place(minji, [yield* offer()])
      const payment = yield* atOnce(20, startToPay(minji, order, { key: yield* newKey }))
      const payments = yield* minji.client.payments.list({ query: { order: order.id } })
      assert.deepStrictEqual(payments.map(({ id }) => id), [payment.id])

      const ready = yield* approved(minji)
      const key = yield* newKey
      const paid = yield* atOnce(20, confirm(minji, ready.payment, ready.paymentKey, key))
      assert.strictEqual(paid.status, "PAID")
      assert.deepStrictEqual(yield* moved(ready.payment), ["CAPTURE 12000"])
      yield* orderIs(minji, ready.order, "PLACED")
    }))

    it.effect("confirms once under many keys, too", () => Effect.gen(function*() {
      const { buyers: { minji } } = yield* World
      const { payment, paymentKey } = yield* approved(minji)
      const tried = Effect.result(confirm(minji, payment, paymentKey))
      const results = yield* Effect.all(Array.from({ length: 20 }, () => tried), { concurrency: "unbounded" })
      const paid = results.filter((result) => result._tag === "Success")
      assert.deepStrictEqual(paid.map(({ success }) => success.status), ["PAID"])
      for (const result of results) if (result._tag === "Failure") assert.strictEqual(result.failure._tag, "NotConfirmable")
      assert.deepStrictEqual(yield* moved(payment), ["CAPTURE 12000"])
    }))

    it.effect("gives the first answer again, to the byte, and says so", () => Effect.gen(function*() {
      const { buyers: { minji: { token } } } = yield* World
      const request = { token, headers: { "idempotency-key": yield* newKey }, body: wish([yield* offer()]) }
      const first = yield* send("POST", "/v1/orders", request)
      const again = yield* send("POST", "/v1/orders", request)
      assert.deepStrictEqual([first.status, first.headers["idempotency-replayed"]], [201, undefined])
      assert.deepStrictEqual([again.status, again.headers["idempotency-replayed"]], [201, "true"])
      assert.strictEqual(again.text, first.text)
    }))

    it.effect("belongs to one request", () => Effect.gen(function*() {
      const { buyers: { minji } } = yield* World
      const tray = yield* offer()
      const key = yield* newKey
      const order = yield* place(minji, [tray], { key })
      assert.instanceOf(yield* Effect.flip(place(minji, [tray], { key, quantity: 2 })), IdempotencyKeyReused)
      yield* startToPay(minji, order, { key })
      assert.instanceOf(yield* Effect.flip(startToPay(minji, order, { key, method: "TRANSFER" })), IdempotencyKeyReused)

      const { payment, paymentKey } = yield* approved(minji)
      yield* confirm(minji, payment, paymentKey, key)
      assert.instanceOf(yield* Effect.flip(confirm(minji, payment, `${paymentKey}x`, key)), IdempotencyKeyReused)
    }))

    it.effect("belongs to its caller", () => Effect.gen(function*() {
      const { buyers: { alex, minji } } = yield* World
      const tray = yield* offer()
      const key = yield* newKey
      const orders = yield* Effect.all([place(minji, [tray], { key }), place(alex, [tray], { key })], { concurrency: 2 })
      assert.notStrictEqual(orders[0].id, orders[1].id)
    }))

    it.effect("is required", () => Effect.gen(function*() {
      const { buyers: { minji } } = yield* World
      const tray = yield* offer()
      const { payment, paymentKey } = yield* approved(minji)
      const requests = [
        ["/v1/orders", wish([tray])],
        ["/v1/payments", { orderId: payment.orderId, method: "CARD" }],
        [`/v1/payments/${payment.id}/confirmation`, { providerPaymentKey: paymentKey, amount: payment.amount }]
      ] as const
      for (const [path, body] of requests) {
        const { json, status } = yield* send("POST", path, { token: minji.token, body })
        assert.strictEqual(status, 400)
        assert.strictEqual(json.type, "/problems/invalid-request")
        assert.deepStrictEqual(json.errors.map((error: { in: string; pointer: string }) => [error.in, error.pointer]), [
          ["header", "/idempotency-key"]
        ])
      }
      assert.deepStrictEqual(yield* Books.ordersOf(tray), [])
      assert.deepStrictEqual(yield* moved(payment), [])
    }))
  })
