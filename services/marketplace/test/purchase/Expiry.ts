import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { fresh } from "@marketplace/client/Client"
import { NotPayable } from "@marketplace/schema/Payment/HttpApi"
import * as Books from "./Books.ts"
import {
  approve, approved, approvedFor, confirm, eventually, moved, offer, orderIs, paymentIs, place, startToPay
} from "./Shopping.ts"
import { type Tests, World } from "./World.ts"

/** Whether a sweeper has asked for an order whose deadline was over, and left it for later. */
const wasAsked = Effect.fnUntraced(function*(id: string) {
  const { sql } = yield* World
  const [asked] = yield* sql<{ readonly asked: boolean }>`
    select due_at > payment_deadline + interval '5 seconds' as asked from order_service.orders where id = ${id}`
  return asked?.asked
})

export const cases = (it: Tests) =>
  describe("the deadline of an order", () => {
    it.effect("waits for a payment of unknown outcome, which succeeds", () => Effect.gen(function*() {
      const { buyers: { minji } } = yield* World
      const { order, payment, paymentKey } = yield* approved(minji, { faults: [{ fault: "SERVER_ERROR", times: 3 }] })
      assert.strictEqual((yield* confirm(minji, payment, paymentKey)).status, "UNKNOWN")
      yield* Books.deadlinePasses(order)
      yield* eventually(wasAsked(order.id), (asked) => asked === true)
      assert.strictEqual((yield* minji.client.orders.get({ params: { id: order.id } })).status, "AWAITING_PAYMENT")
      const refused = yield* Effect.flip(startToPay(minji, order))
      assert.isTrue(refused instanceof NotPayable && refused.reason === "IN_PROGRESS")
      yield* paymentIs(minji, payment, "PAID")
      yield* orderIs(minji, order, "PLACED")
      assert.deepStrictEqual(yield* moved(payment), ["CAPTURE 12000"])
    }))

    it.effect("waits for a payment of unknown outcome, which is declined", () => Effect.gen(function*() {
      const { buyers: { minji } } = yield* World
      const tray = yield* offer()
      const { order, payment, paymentKey } = yield* approvedFor(minji, [tray], {
        faults: [{ fault: "SERVER_ERROR", times: 3 }, { fault: "DECLINE" }]
      })
      yield* confirm(minji, payment, paymentKey)
      yield* Books.deadlinePasses(order)
      yield* eventually(wasAsked(order.id), (asked) => asked === true)
      assert.strictEqual((yield* minji.client.orders.get({ params: { id: order.id } })).status, "AWAITING_PAYMENT")
      assert.strictEqual((yield* Books.stockOf(tray)).held, 1)
      yield* paymentIs(minji, payment, "FAILED")
      yield* orderIs(minji, order, "EXPIRED")
      yield* eventually(Books.stockOf(tray), ({ held }) => held === 0)
      assert.deepStrictEqual(yield* moved(payment), [])
    }))

    it.effect("and a confirmation at the same moment: one of them wins", () => Effect.gen(function*() {
      const { buyers: { minji } } = yield* World
      const race = (n: number) =>
        Effect.gen(function*() {
          const { order, payment, paymentKey } = yield* approved(minji)
          if (n > 0) yield* Books.deadlinePasses(order)
          // one is surely before its deadline, one surely after its end, the others anywhere between
          yield* n === last ? orderIs(minji, order, "EXPIRED") : Effect.sleep(n * 8)
          const result = yield* Effect.result(confirm(minji, payment, paymentKey))
          const found = minji.client.orders.get({ params: { id: order.id } })
          const { status } = yield* eventually(found, ({ status }) => status !== "AWAITING_PAYMENT")
          if (status === "PLACED") {
            assert.isTrue(result._tag === "Success" && result.success.status === "PAID")
            assert.deepStrictEqual(yield* moved(payment), ["CAPTURE 12000"])
          } else {
            assert.strictEqual(status, "EXPIRED")
            assert.isTrue(result._tag === "Failure" && result.failure instanceof NotPayable)
            assert.deepStrictEqual(yield* moved(payment), [])
            yield* paymentIs(minji, payment, "EXPIRED")
          }
          return status
        })
      const last = 15
      const ends = yield* Effect.forEach(Array.from({ length: last + 1 }, (_, n) => n), race, { concurrency: "unbounded" })
      assert.deepStrictEqual([ends[0], ends[last]], ["PLACED", "EXPIRED"])
    }))
  })

/** Where an order has a second to be paid, and every sweeper comes at once. */
export const impatient = (it: Tests) => {
  it.effect("an unpaid order ends, seals its payments, and gives its goods back", () => Effect.gen(function*() {
    const { buyers: { minji } } = yield* World
    const tray = yield* offer({ onHand: 1 })
    const order = yield* place(minji, [tray])
    const payment = yield* startToPay(minji, order)
    const paymentKey = yield* approve(payment)
    const expired = yield* orderIs(minji, order, "EXPIRED")
    assert.deepStrictEqual(expired.sellerOrders.map(({ status }) => status), ["CANCELLED"])
    yield* paymentIs(minji, payment, "EXPIRED")
    const refused = yield* Effect.flip(confirm(minji, payment, paymentKey))
    assert.instanceOf(refused, NotPayable)
    assert.strictEqual(refused.reason, "SEALED")
    assert.instanceOf(yield* Effect.flip(startToPay(minji, order)), NotPayable)
    yield* eventually(Books.stockOf(tray), ({ held }) => held === 0)
    const shown = fresh(minji.client.products.get({ params: { id: tray.productId } }))
    yield* eventually(shown, ({ variants }) => variants[0]?.availability === "LOW")
    const timeline = yield* minji.client.orders.timeline({ params: { id: order.id } })
    const moves = timeline.filter(({ scope }) => scope === "order").map(({ to }) => to)
    assert.deepStrictEqual(moves, ["PLACING", "AWAITING_PAYMENT", "EXPIRED"])
    assert.strictEqual((yield* place(minji, [tray])).status, "AWAITING_PAYMENT")
  }))

  it.effect("orders end as their payments do, whoever drives them", () => Effect.gen(function*() {
    const { buyers: { minji } } = yield* World
    const tray = yield* offer({ onHand: 40 })
    const orders = yield* Effect.forEach(Array.from({ length: 40 }), (_, n) =>
      Effect.gen(function*() {
        const { id } = yield* place(minji, [tray])
        const paid = n % 2 === 0 && (yield* startToPay(minji, { id }).pipe(
          Effect.flatMap((payment) => Effect.flatMap(approve(payment), (key) => confirm(minji, payment, key))),
          // its second was over
          Effect.catchTag("NotPayable", () => Effect.succeed(undefined))
        ))?.status === "PAID"
        return { id, paid }
      }), { concurrency: "unbounded" })
    yield* Effect.forEach(orders, ({ id, paid }) => orderIs(minji, { id }, paid ? "PLACED" : "EXPIRED"), { concurrency: 8 })
    const committed = orders.filter(({ paid }) => paid).length
    yield* eventually(Books.stockOf(tray), (stock) => stock.held === 0 && stock.committed === committed)
  }))
}
