import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { fresh } from "@marketplace/client/Client"
import { Money } from "@marketplace/domain/Money"
import { VariantId } from "@marketplace/domain/Product/Ids"
import { NotSellable, OrderRejected, OrderUnknown, TotalDiffers } from "@marketplace/schema/Order/HttpApi"
import { NotPayable, PaymentUnknown, WrongAmount } from "@marketplace/schema/Payment/HttpApi"
import * as Books from "./Books.ts"
import {
  approve, approved, confirm, eventually, moved, newKey, offer, orderIs, place, send, startToPay, type Wish, wish
} from "./Shopping.ts"
import { type Tests, World } from "./World.ts"

/** A body that the contract refuses, and where it is wrong. */
type Offence = readonly [what: string, change: (good: Wish) => unknown, pointers: ReadonlyArray<string>]

const offences: ReadonlyArray<Offence> = [
  ...[0, -1, 1.5, 1e9, "1", null, [1]].map((quantity) =>
    [
      `quantity ${JSON.stringify(quantity)}`,
      (good: Wish) => ({ ...good, lines: good.lines.map((line) => ({ ...line, quantity })) }),
      ["/lines/0/quantity"]
    ] as const
  ),
  ["a price", (good) => ({ ...good, lines: good.lines.map((line) => ({ ...line, unitPrice: 1 })) }), ["/lines/0/unitPrice"]],
  ["another member", (good) => ({ ...good, memberId: "01890a5d-ac96-774b-bcce-b302099a8057" }), ["/memberId"]],
  ["no lines", (good) => ({ ...good, lines: [] }), ["/lines"]],
  ["51 lines", (good) => ({ ...good, lines: Array.from({ length: 51 }, () => good.lines[0]) }), ["/lines"]],
  ["no id", (good) => ({ ...good, lines: [{ variantId: "x", quantity: 1 }] }), ["/lines/0/variantId"]],
  ["half a won", (good) => ({ ...good, expectedTotal: { amount: 0.5, currency: "KRW" } }), ["/expectedTotal/amount"]],
  ["an inexact number", (good) => ({ ...good, expectedTotal: { amount: 2 ** 53, currency: "KRW" } }), ["/expectedTotal/amount"]],
  ["a foreign currency", (good) => ({ ...good, expectedTotal: { amount: 1, currency: "XXX" } }), ["/expectedTotal/currency"]],
  ["two offences", (good) => ({ expectedTotal: good.expectedTotal, lines: [{ variantId: "x", quantity: 0 }] }), [
    "/lines/0/variantId",
    "/lines/0/quantity"
  ]]
]

export const cases = (it: Tests) =>
  describe("checkout", () => {
    it.effect("trusts no price of the buyer, and stores nothing then", () => Effect.gen(function*() {
      const { buyers: { minji: { client } } } = yield* World
      const tray = yield* offer({ price: 12_000 })
      const headers = { "idempotency-key": yield* newKey }
      for (const amount of [11_999, 12_001, 0, -12_000]) {
        const expectedTotal = new Money({ amount, currency: "KRW" })
        const refused = yield* Effect.flip(client.orders.place({ headers, payload: { ...wish([tray]), expectedTotal } }))
        assert.instanceOf(refused, TotalDiffers)
        assert.deepStrictEqual([refused.expected, refused.actual], [expectedTotal, tray.price])
      }
      assert.deepStrictEqual(yield* Books.ordersOf(tray), [])
      assert.strictEqual((yield* Books.stockOf(tray)).held, 0)
      const order = yield* client.orders.place({ headers, payload: wish([tray]) })
      assert.deepStrictEqual(order.total, tray.price)
    }))

    it.effect("refuses what the contract does not have, and says where", () => Effect.gen(function*() {
      const { buyers: { minji: { token } } } = yield* World
      const tray = yield* offer()
      for (const [what, change, pointers] of offences) {
        const { json, status } = yield* send("POST", "/v1/orders", {
          token,
          headers: { "idempotency-key": yield* newKey },
          body: change(wish([tray]))
        })
        assert.deepStrictEqual([status, json.type], [400, "/problems/invalid-request"], what)
        assert.deepStrictEqual(json.errors.map((error: { in: string; pointer: string }) => `${error.in} ${error.pointer}`),
          pointers.map((pointer) => `body ${pointer}`), what)
      }
      assert.deepStrictEqual(yield* Books.ordersOf(tray), [])
    }))

    it.effect("sums the lines of one variant", () => Effect.gen(function*() {
      const { buyers: { minji: { client } } } = yield* World
      const tray = yield* offer({ onHand: 3 })
      const singly = Effect.fnUntraced(function*(times: number) {
        const lines = Array.from({ length: times }, () => wish([tray]).lines).flat()
        const headers = { "idempotency-key": yield* newKey }
        return yield* client.orders.place({ headers, payload: { ...wish([tray], times), lines } })
      })
      assert.instanceOf(yield* Effect.flip(singly(4)), OrderRejected)
      const order = yield* singly(3)
      assert.deepStrictEqual(order.sellerOrders.flatMap(({ lines }) => lines.map(({ quantity }) => quantity)), [3])
      assert.deepStrictEqual(yield* Books.stockOf(tray), { onHand: 3, held: 3, committed: 0 })
    }))

    it.effect("sells only what is there", () => Effect.gen(function*() {
      const { buyers: { minji } } = yield* World
      const unknown = VariantId.make("01890a5d-ac96-774b-bcce-b302099a8057")
      const tray = yield* offer()
      const refused = yield* Effect.flip(place(minji, [tray, { ...tray, variantId: unknown }]))
      assert.instanceOf(refused, NotSellable)
      assert.deepStrictEqual(refused.variantIds, [unknown])
      assert.deepStrictEqual(yield* Books.ordersOf(tray), [])
    }))

    it.effect("holds all of an order or nothing", () => Effect.gen(function*() {
      const { buyers: { minji } } = yield* World
      const goods = [yield* offer({ onHand: 100 }), yield* offer({ onHand: 1 }), yield* offer({ onHand: 100 })]
      const key = yield* newKey
      const refused = yield* Effect.flip(place(minji, goods, { quantity: 2, key }))
      assert.instanceOf(refused, OrderRejected)
      assert.strictEqual(refused.reason, "OUT_OF_STOCK")
      assert.deepStrictEqual(yield* Effect.flip(place(minji, goods, { quantity: 2, key })), refused)
      for (const one of goods) assert.strictEqual((yield* Books.stockOf(one)).held, 0)
      const { rejection, status } = yield* minji.client.orders.get({ params: { id: refused.orderId } })
      assert.deepStrictEqual([status, rejection], ["REJECTED", "OUT_OF_STOCK"])
      assert.instanceOf(yield* Effect.flip(startToPay(minji, { id: refused.orderId })), NotPayable)
    }))

    it.effect("shows nothing of it to others", () => Effect.gen(function*() {
      const { buyers: { alex, minji } } = yield* World
      const { order, payment, paymentKey } = yield* approved(minji)
      const { orders, payments, refunds } = alex.client
      assert.instanceOf(yield* Effect.flip(orders.get({ params: { id: order.id } })), OrderUnknown)
      assert.instanceOf(yield* Effect.flip(orders.timeline({ params: { id: order.id } })), OrderUnknown)
      assert.isFalse((yield* orders.list({ query: { limit: 100 } })).items.some(({ id }) => id === order.id))
      assert.instanceOf(yield* Effect.flip(startToPay(alex, order)), OrderUnknown)
      assert.instanceOf(yield* Effect.flip(payments.get({ params: { id: payment.id } })), PaymentUnknown)
      assert.instanceOf(yield* Effect.flip(confirm(alex, payment, paymentKey)), PaymentUnknown)
      assert.deepStrictEqual(yield* payments.list({ query: { order: order.id } }), [])
      assert.deepStrictEqual(yield* refunds.list({ query: { order: order.id } }), [])
      assert.deepStrictEqual(yield* moved(payment), [])
      assert.strictEqual((yield* confirm(minji, payment, paymentKey)).status, "PAID")
    }))

    it.effect("charges no other amount", () => Effect.gen(function*() {
      const { buyers: { minji } } = yield* World
      const { payment, paymentKey } = yield* approved(minji)
      const less = { ...payment, amount: new Money({ amount: 1, currency: "KRW" }) }
      assert.instanceOf(yield* Effect.flip(confirm(minji, less, paymentKey)), WrongAmount)
      assert.deepStrictEqual(yield* moved(payment), [])
      // the buyer's browser changed the amount on its way to the provider
      const other = yield* startToPay(minji, yield* place(minji, [yield* offer()]))
      const cheap = yield* approve({ ...other, amount: less.amount })
      const declined = yield* Effect.flip(confirm(minji, other, cheap))
      assert.strictEqual(declined._tag, "PaymentDeclined")
      assert.deepStrictEqual(yield* moved(other), [])
    }))
  })

export const flashSale = (it: Tests) =>
  it.effect("200 buyers of 20 pieces get exactly 20", () => Effect.gen(function*() {
    const { buyers } = yield* World
    const tray = yield* offer({ onHand: 20 })
    const members = Object.values(buyers)
    const tries = yield* Effect.forEach(Array.from({ length: 200 }, (_, n) => members[n % members.length]!), (buyer) =>
      Effect.gen(function*() {
        const key = yield* newKey
        // whoever is told to come back does so with the same key
        const tried = yield* eventually(Effect.result(place(buyer, [tray], { key })), (result) =>
          result._tag === "Success" || (result.failure._tag !== "Unavailable" && result.failure._tag !== "RequestInFlight"))
        return { buyer, tried }
      }), { concurrency: "unbounded" })
    const sold = tries.flatMap(({ buyer, tried }) => tried._tag === "Success" ? [{ buyer, order: tried.success }] : [])
    const refusals = tries.flatMap(({ tried }) => tried._tag === "Failure" ? [tried.failure] : [])
    assert.strictEqual(sold.length, 20)
    assert.deepStrictEqual(yield* Books.stockOf(tray), { onHand: 20, held: 20, committed: 0 })
    for (const refusal of refusals) {
      if (refusal._tag === "OrderRejected") assert.strictEqual(refusal.reason, "OUT_OF_STOCK")
      else assert.strictEqual(refusal._tag, "NotSellable")
    }
    yield* Effect.forEach(sold, ({ buyer, order }) =>
      Effect.gen(function*() {
        const payment = yield* startToPay(buyer, order)
        yield* confirm(buyer, payment, yield* approve(payment))
        yield* orderIs(buyer, order, "PLACED")
      }), { concurrency: 8 })
    yield* eventually(Books.stockOf(tray), ({ committed, held }) => held === 0 && committed === 20)
    const shown = fresh(buyers.minji.client.products.get({ params: { id: tray.productId } }))
    const { variants } = yield* eventually(shown, ({ sales }) => sales === 20)
    assert.strictEqual(variants[0]?.availability, "SOLD_OUT")
  }))
