import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import { ProductId } from "../src/Product/Ids.ts"
import { available, commit, hold, release, type Reservation, Stock } from "../src/Product/Stock.ts"
import { uuid, variantId } from "./samples.ts"

const stock = (onHand: number) =>
  new Stock({ variantId: variantId(1), productId: ProductId.make(uuid(5)), onHand, held: 0, committed: 0, consumed: 0, sequence: 0 })

describe("stock", () => {
  it("is never oversold, and every unit is in one place, whatever orders do", () => {
    const steps = fc.array(fc.record({ act: fc.constantFrom("hold", "commit", "release"), order: fc.nat(4), quantity: fc.integer({ min: 1, max: 7 }) }))
    fc.assert(fc.property(fc.integer({ min: 0, max: 20 }), steps, (onHand, acts) => {
      let current = stock(onHand)
      const reservations = new Map<number, Reservation>()
      for (const { act, order, quantity } of acts) {
        const reservation = reservations.get(order)
        const change = act === "hold"
          ? reservation === undefined ? Result.getOrUndefined(hold(current, quantity)) : undefined
          : reservation === undefined ? undefined : (act === "commit" ? commit : release)(current, reservation)
        if (change === undefined) continue
        assert.strictEqual(change.stock.sequence, current.sequence + 1)
        assert.strictEqual(change.event.available, available(change.stock))
        current = change.stock
        reservations.set(order, change.reservation)
      }
      assert.isAtLeast(available(current), 0)
      const all = Array.from(reservations.values())
      assert.strictEqual(all.reduce((sum, { held }) => sum + held, 0), current.held)
      assert.strictEqual(all.reduce((sum, { committed }) => sum + committed, 0), current.committed)
    }))
  })

  it("says what is missing", () => {
    assert.deepInclude(Result.getOrThrow(Result.flip(hold(stock(2), 3))), { _tag: "OutOfStock", requested: 3, available: 2 })
  })

  it("is committed once and released once", () => {
    const held = Result.getOrThrow(hold(stock(5), 3))
    const sold = commit(held.stock, held.reservation)!
    assert.deepInclude(sold.event, { available: 2, sold: 3 })
    assert.isUndefined(commit(sold.stock, sold.reservation))
    assert.isUndefined(release(sold.stock, sold.reservation))
    const freed = release(held.stock, held.reservation)!
    assert.deepInclude(freed.event, { available: 5, sold: 0 })
    assert.isUndefined(commit(freed.stock, freed.reservation))
  })
})
