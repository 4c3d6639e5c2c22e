import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { faults, magicOf, strikingAt } from "../src/Faults/Catalog.ts"

describe("faults", () => {
  const all = Object.entries(faults)

  it("are planned by an amount, each by its own", () => {
    for (const [name, { magic }] of all) {
      assert.strictEqual(magicOf(magic), name)
      assert.strictEqual(magicOf(1_230_000 + magic), name)
    }
    assert.isUndefined(magicOf(15_900))
  })

  it("strike at one stage each", () => {
    const striking = (["confirming", "captured", "finding", "refunding", "refunded"] as const).flatMap(strikingAt)
    assert.sameMembers(striking, all.map(([name]) => name))
  })

  it("are in the README as they are in the program", () => {
    const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8")
    const rows = [...readme.matchAll(/^\| (\d+) \| `(\w+)` \| (\d+) \|/gm)]
    assert.deepStrictEqual(
      rows.map(([, magic, name, times]) => [name, Number(magic), Number(times)]),
      all.map(([name, { magic, times }]) => [name, magic, times])
    )
  })
})
