import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { fresh } from "@marketplace/client/Client"
import { times } from "@marketplace/domain/Money"
import * as Books from "./Books.ts"
import { approve, confirm, eventually, moved, offer, orderIs, place, startToPay, wish } from "./Shopping.ts"
import { type Tests, World } from "./World.ts"

export const cases = (it: Tests) =>
  describe("a purchase", () => {
    it.effect("of two sellers' goods: money, stock, statistics and history", () => Effect.gen(function*() {
      const { buyers: { seojun } } = yield* World
      const { client } = seojun
      const { purchases } = yield* client.members.me({})
      const goods = [yield* offer({ price: 15_900 }), yield* offer({ price: 8_500 })]

      const order = yield* place(seojun, goods, { quantity: 2 })
      assert.strictEqual(order.status, "AWAITING_PAYMENT")
      assert.deepStrictEqual(order.total, wish(goods, 2).expectedTotal)
      assert.deepStrictEqual(order.sellerOrders.map(({ status, total }) => ({ status, total })), goods.map(({ price }) => ({
        status: "PENDING_PAYMENT" as const,
        total: times(price, 2)
      })))
      for (const one of goods) assert.deepStrictEqual(yield* Books.stockOf(one), { onHand: 100, held: 2, committed: 0 })

      const payment = yield* startToPay(seojun, order)
      assert.deepStrictEqual([payment.status, payment.amount], ["READY", order.total])
      const paid = yield* confirm(seojun, payment, yield* approve(payment))
      assert.deepStrictEqual([paid.status, paid.checkoutUrl], ["PAID", null])

      const placed = yield* orderIs(seojun, order, "PLACED")
      assert.deepStrictEqual(placed.sellerOrders.map(({ status }) => status), ["PAID", "PAID"])
      for (const one of goods) {
        yield* eventually(Books.stockOf(one), ({ committed, held }) => held === 0 && committed === 2)
        yield* eventually(fresh(client.products.get({ params: { id: one.productId } })), ({ sales }) => sales === 2)
      }
      yield* eventually(client.members.me({}), (me) => me.purchases === purchases + 1)

      assert.deepStrictEqual(yield* moved(payment), [`CAPTURE ${order.total.amount}`])
      assert.deepStrictEqual(yield* Books.balancesOf(payment), { BUYER: -order.total.amount, ESCROW: order.total.amount })
      const timeline = yield* client.orders.timeline({ params: { id: order.id } })
      assert.deepStrictEqual(timeline.map(({ cause, from, scope, to }) => `${scope} ${from} ${cause} ${to}`), [
        "order null place PLACING",
        "order PLACING reserved AWAITING_PAYMENT",
        "order AWAITING_PAYMENT pay PLACED",
        "sellerOrder PENDING_PAYMENT pay PAID",
        "sellerOrder PENDING_PAYMENT pay PAID"
      ])
      const { items } = yield* client.orders.list({ query: { limit: 10 } })
      assert.deepStrictEqual(items.find(({ id }) => id === order.id), placed)
    }))
  })
