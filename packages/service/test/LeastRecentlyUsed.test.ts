import { assert, describe, it } from "@effect/vitest"
import * as LeastRecentlyUsed from "@marketplace/service/LeastRecentlyUsed"

const keysOf = (values: LeastRecentlyUsed.LeastRecentlyUsed<string>, ...keys: ReadonlyArray<string>) =>
  keys.filter((key) => values.get(key) !== undefined)

describe("what is kept within bounds", () => {
  it("loses what was asked for longest ago when there are too many", () => {
    const values = LeastRecentlyUsed.make<string>({ values: 2, bytes: 1000 })
    values.set("a", "A", 1)
    values.set("b", "B", 1)
    assert.strictEqual(values.get("a"), "A")
    values.set("c", "C", 1)
    assert.deepStrictEqual(keysOf(values, "a", "b", "c"), ["a", "c"])
  })

  it("never loses what is asked for again and again", () => {
    const values = LeastRecentlyUsed.make<string>({ values: 100, bytes: 100_000 })
    values.set("asked for", "A", 1)
    for (let n = 0; n < 1000; n++) {
      values.set(`${n}`, "B", 1)
      assert.strictEqual(values.get("asked for"), "A")
    }
    assert.deepStrictEqual(keysOf(values, "900", "901", "999"), ["901", "999"])
  })

  it("loses as many as are needed for the bytes of values and keys", () => {
    const values = LeastRecentlyUsed.make<string>({ values: 100, bytes: 40 })
    for (const key of ["a", "b", "c", "d"]) values.set(key, key, 9)
    values.set("e", "e", 18)
    assert.deepStrictEqual(keysOf(values, "a", "b", "c", "d", "e"), ["c", "d", "e"])
    values.set("a-key-of-twenty-chars", "f", 0)
    assert.deepStrictEqual(keysOf(values, "c", "d", "e", "a-key-of-twenty-chars"), ["e", "a-key-of-twenty-chars"])
  })

  it("counts what replaces another once, and what is deleted no longer", () => {
    const values = LeastRecentlyUsed.make<string>({ values: 100, bytes: 20 })
    for (const value of ["1", "2", "3"]) values.set("a", value, 9)
    values.set("b", "B", 9)
    assert.deepStrictEqual([values.get("a"), values.get("b")], ["3", "B"])
    values.delete("a")
    values.delete("a")
    values.set("c", "C", 9)
    assert.deepStrictEqual(keysOf(values, "b", "c"), ["b", "c"])
  })

  it("keeps nothing that is larger than all the room, and forgets what it would replace", () => {
    const values = LeastRecentlyUsed.make<string>({ values: 100, bytes: 20 })
    values.set("a", "A", 9)
    values.set("b", "B", 9)
    values.set("a", "larger", 20)
    assert.deepStrictEqual(keysOf(values, "a", "b"), ["b"])
  })
})
