import { assert, describe, it } from "@effect/vitest"
import { givenUp, nextLook } from "../src/Payments/Schedule.ts"

const looks = (count: number, age: number, answered = true) => ({ looks: count, age, answered })

describe("when a payment is looked at", () => {
  it("a confirmation after the longest time that it may take, what waits for its buyer and what is through never", () => {
    assert.strictEqual(nextLook("CONFIRMING"), 15)
    for (const status of ["CREATED", "READY", "PAID", "PAID_LATE"] as const) assert.isNull(nextLook(status))
  })

  it("an unknown outcome at 1, 2, 4 … 30 s, and every 10 min after a long silence", () => {
    assert.deepStrictEqual([0, 1, 2, 3, 4, 5, 60].map((count) => nextLook("UNKNOWN", looks(count, 0))), [1, 2, 4, 8, 16, 30, 30])
    assert.deepStrictEqual([10, 11].map((count) => nextLook("UNKNOWN", looks(count, 0, false))), [30, 600])
    assert.strictEqual(nextLook("UNKNOWN", looks(60, 1000, true)), 30)
  })

  it("what was given up after a minute, ten, an hour and a day, however often it was looked at in between", () => {
    for (const status of givenUp) {
      assert.strictEqual(nextLook(status), 60)
      for (const count of [1, 2, 50]) {
        const ages = [20, 60, 599, 600, 3_600, 86_399]
        assert.deepStrictEqual(ages.map((age) => nextLook(status, looks(count, age))), [40, 540, 1, 3_000, 82_800, 1])
        assert.isNull(nextLook(status, looks(count, 86_400)))
      }
    }
  })

  it("what was given up again soon, when the provider did not answer to a look, also to the last one", () => {
    for (const status of givenUp) {
      for (const age of [20, 60, 86_400]) {
        assert.deepStrictEqual([1, 2, 4, 10, 11].map((count) => nextLook(status, looks(count, age, false))), [2, 4, 16, 30, 600])
      }
    }
  })
})
