import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import { merge } from "../src/Order/Checkout.ts"
import { expire, pay, reject, reserved } from "../src/Order/Order.ts"
import { krw, placing, quote, request, variantId } from "./samples.ts"

const line = (n: number, quantity: number) => ({ variantId: variantId(n), quantity })

describe("checkout", () => {
  it("makes one seller order per seller, and the parts sum to the whole", () => {
    const carts = fc.array(
      fc.record({ quantity: fc.integer({ min: 1, max: 99 }), price: fc.integer({ min: 1, max: 1_000_000 }), seller: fc.integer({ min: 1, max: 4 }) }),
      { minLength: 1, maxLength: 20 }
    )
    fc.assert(fc.property(carts, (cart) => {
      const expected = cart.reduce((total, { price, quantity }) => total + price * quantity, 0)
      const order = Result.getOrThrow(request(
        cart.map(({ quantity }, n) => line(n, quantity)),
        cart.map(({ price, seller }, n) => quote(n, price, { seller })),
        expected
      ))
      assert.strictEqual(order.sellerOrders.length, new Set(cart.map(({ seller }) => seller)).size)
      assert.strictEqual(order.total.amount, expected)
      assert.strictEqual(order.sellerOrders.reduce((total, part) => total + part.total.amount, 0), expected)
      for (const part of order.sellerOrders) {
        const own = order.lines.filter(({ sellerOrderId }) => sellerOrderId === part.id)
        assert.strictEqual(own.reduce((total, { total: amount }) => total + amount.amount, part.shippingFee.amount), part.total.amount)
        assert.strictEqual(part.sellerShare.amount + part.commission.amount + part.commissionVat.amount, part.total.amount)
      }
      const used = [...order.lines, ...order.sellerOrders].map(({ id }) => id)
      assert.strictEqual(new Set<string>(used).size, used.length)
    }))
  })

  it("sums lines of the same variant", () => {
    assert.deepStrictEqual(merge([line(1, 2), line(2, 1), line(1, 3)]), [line(1, 5), line(2, 1)])
  })

  it("refuses another sum than the buyer agreed to, and says the difference", () => {
    const refusal = Result.getOrThrow(Result.flip(request([line(1, 2)], [quote(1, 1_100)], 2_000)))
    assert.deepInclude(refusal, { _tag: "TotalChanged", expected: krw(2_000), actual: krw(2_200) })
  })

  it("refuses what is unknown, not on sale, or priced in another currency, and names it all", () => {
    const refusal = Result.getOrThrow(Result.flip(request(
      [line(1, 1), line(2, 1), line(3, 1), line(4, 1)],
      [quote(1, 100), quote(2, 100, { sellable: false }), quote(3, 100, { currency: "USD" })],
      100
    )))
    assert.deepInclude(refusal, { _tag: "VariantsNotSellable", variantIds: [variantId(2), variantId(3), variantId(4)] })
  })
})

describe("order", () => {
  const awaiting = () => Result.getOrThrow(reserved(placing())).state

  it("exists for the others once its goods are held", () => {
    const { events, state } = Result.getOrThrow(reserved(placing()))
    assert.strictEqual(state.status, "AWAITING_PAYMENT")
    assert.deepStrictEqual(events.map(({ _tag }) => _tag), ["OrderCreated"])
  })

  it("paid: it and all its parts move, each is told", () => {
    const { events, state } = Result.getOrThrow(pay(awaiting()))
    assert.deepStrictEqual([state.status, ...state.sellerOrders.map(({ status }) => status)], ["PLACED", "PAID", "PAID"])
    assert.deepStrictEqual(events.map((event) => event._tag === "OrderStatusChanged" && [event.scope, event.from, event.to]), [
      ["order", "AWAITING_PAYMENT", "PLACED"],
      ["sellerOrder", "PENDING_PAYMENT", "PAID"],
      ["sellerOrder", "PENDING_PAYMENT", "PAID"]
    ])
  })

  it("expired: its parts are cancelled; afterwards nothing moves it", () => {
    const { state } = Result.getOrThrow(expire(awaiting()))
    assert.deepStrictEqual([state.status, ...state.sellerOrders.map(({ status }) => status)], ["EXPIRED", "CANCELLED", "CANCELLED"])
    for (const rule of [reserved, pay, expire, reject("OUT_OF_STOCK")]) assert.isTrue(Result.isFailure(rule(state)))
  })

  it("rejected: it keeps the reason", () => {
    const { events, state } = Result.getOrThrow(reject("PRICE_CHANGED")(placing()))
    assert.deepStrictEqual([state.status, state.rejection], ["REJECTED", "PRICE_CHANGED"])
    assert.deepStrictEqual(events.map(({ _tag }) => _tag), ["OrderStatusChanged"])
  })
})
