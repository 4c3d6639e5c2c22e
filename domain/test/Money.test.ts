import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Money from "../src/Money.ts"

const krw = (amount: number) => new Money.Money({ amount, currency: "KRW" })
const amounts = fc.integer({ min: -1_000_000_000, max: 1_000_000_000 })
const weights = fc.array(fc.integer({ min: 0, max: 1_000_000 }), { minLength: 1, maxLength: 20 })

describe("money", () => {
  it("is divided without losing or inventing a unit", () => {
    fc.assert(fc.property(amounts, weights, (amount, shares) => {
      const parts = Money.allocate(krw(amount), shares)
      assert.strictEqual(parts.length, shares.length)
      assert.strictEqual(Money.sum("KRW", parts).amount, amount)
    }))
  })

  it("is divided fairly: no part is off its exact share by a unit or more", () => {
    fc.assert(fc.property(amounts, weights, (amount, shares) => {
      const total = shares.reduce((all, weight) => all + weight, 0)
      fc.pre(total > 0)
      Money.allocate(krw(amount), shares).forEach((part, index) => {
        assert.isBelow(Math.abs(part.amount - (amount * shares[index]!) / total), 1.000001)
      })
    }))
  })

  it("gives the remainder to the largest remainders, earlier parts first", () => {
    assert.deepStrictEqual(Money.allocate(krw(100), [1, 1, 1]).map(({ amount }) => amount), [34, 33, 33])
    assert.deepStrictEqual(Money.allocate(krw(-100), [1, 1, 1]).map(({ amount }) => amount), [-34, -33, -33])
    assert.deepStrictEqual(Money.allocate(krw(10), [0, 0]).map(({ amount }) => amount), [10, 0])
  })

  it("rounds a share half away from zero, the same for a refund as for a charge", () => {
    assert.strictEqual(Money.share(krw(15), 1_000).amount, 2)
    assert.strictEqual(Money.share(krw(14), 1_000).amount, 1)
    fc.assert(fc.property(amounts, fc.integer({ min: 0, max: 10_000 }), (amount, basisPoints) => {
      assert.strictEqual(Money.share(krw(amount), basisPoints).amount + Money.share(krw(-amount), basisPoints).amount, 0)
    }))
  })

  it("of two currencies is never added", () => {
    assert.throws(() => Money.add(krw(1), new Money.Money({ amount: 1, currency: "USD" })), Money.CurrencyMismatch)
  })

  it("is whole", () => {
    assert.throws(() => krw(1.5))
    assert.throws(() => krw(2 ** 53))
  })
})
