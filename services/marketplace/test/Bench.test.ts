import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schema } from "effect"
import * as Report from "../src/Bench/Report.ts"
import * as Selection from "../src/Bench/Selection.ts"

const result = (connections: number, cpu: number) =>
  ({ connections, operations: 10, seconds: 1, perSecond: 10, p50: 5, p99: 9, cpu })

const yardsticks: Report.Report = {
  profile: "embedded",
  products: 300,
  at: 0,
  y1: [result(32, 0.1)],
  y2: 0.5
}

const aged = (connections: number, p99: number) => ({ ...result(connections, 10), age: { events: 110, p50: 60, p99 } })

const everything: Report.Report = {
  ...yardsticks,
  w1: [result(1, 0.4), result(32, 0.2)],
  w1PastTheCache: result(32, 0.6),
  w3: [aged(1, 90), aged(8, 150), aged(32, 700)],
  w4: { ...result(32, 1), sold: 100, refused: 200, exact: true },
  w5: { relay: 0.1, effect: 0.2, ageP50: 60, ageP99: 100 },
  w7: 1100,
  memory: { start: 240, before: 250, after: 300, all: 1200, over: [400, 420], purchases: 10_000 }
}

const { w1PastTheCache: _, ...withoutPastTheCache } = everything

/** As `bench --json` wrote it before workloads could be chosen and answers were kept. */
const earlier = JSON.stringify({
  ...withoutPastTheCache,
  w3: [result(1, 10), result(8, 10)],
  memory: { before: 250, after: 300, all: 1200, over: [] }
})

const valueOf = (report: Report.Report, name: string) =>
  Report.ratios(report).find((one) => one.name.startsWith(name))

describe("the workloads to run", () => {
  it("are named in a list", () => {
    assert.deepStrictEqual(Selection.parse("W5, w3"), Option.some(new Set(["W3", "W5"] as const)))
  })

  it.each(["W2", "", "W1,"])("are refused where one is unknown: '%s'", (text) => {
    assert.deepStrictEqual(Selection.parse(text), Option.none())
  })
})

describe("a report", () => {
  it("holds each figure against its yardstick, and ages against what the profile allows", () => {
    assert.strictEqual(valueOf(everything, "W1")?.value, 2)
    assert.strictEqual(valueOf(everything, "W3")?.value, 20)
    assert.deepInclude(valueOf(everything, "W5 age p99, 8 buying"), { value: 150, target: 200 })
    assert.deepInclude(valueOf({ ...everything, profile: "full" }, "W5 age p99, 8 buying"), { value: 150, target: 500 })
  })

  it("says what a read costs that no cache answers, and holds the others against the target", () => {
    assert.match(Report.render(everything), /^W1 past the cache, 32 connections .* 0\.60$/m)
    assert.strictEqual(valueOf({ ...everything, w1PastTheCache: undefined }, "W1")?.value, 2)
  })

  it("holds a purchase on the full profile against no yardstick", () => {
    const full = { ...everything, profile: "full" } as const
    assert.deepInclude(valueOf(full, "W3"), { value: 20, target: undefined })
    assert.match(Report.render(full), /^W3 purchase \/ Y2 +20\.00$/m)
  })

  it("holds it against one on the embedded profile, at the most connections, where that is what it is compared with", () => {
    const full = { ...everything, profile: "full", w3: [aged(1, 90), { ...aged(32, 700), cpu: 16 }] } as const
    assert.match(Report.render(full, everything), /^W3 purchase \/ embedded profile +1\.60 +≤ 2/m)
    assert.notInclude(Report.render(full, full), "/ embedded profile")
    assert.notInclude(Report.render(everything, everything), "/ embedded profile")
  })

  it("says how memory went over many purchases", () => {
    const text = "400 MiB after 10000 more purchases, 420 MiB after as many again: 1.05 times"
    assert.include(Report.render(everything), text)
  })

  it("tells what an operation makes the servers do, as far as it was counted", () => {
    const purchase = { ...aged(32, 700), requests: 4, calls: 3, statements: 60.5, transactions: 7.25 }
    const lines = Report.render({ ...everything, w3: [purchase] }).split("\n")
    const heading = lines.findIndex((line) => line.startsWith("per operation"))
    assert.deepStrictEqual(lines.slice(heading, heading + 2).map((line) => line.replaceAll(/ +/g, " ")), [
      "per operation requests calls statements transact.",
      "W3 purchase 4.00 3.00 60.50 7.25"
    ])
    assert.notInclude(Report.render(everything), "per operation")
  })

  it("is silent about what was not run", () => {
    assert.deepStrictEqual(Report.ratios(yardsticks), [])
    assert.notMatch(Report.render(yardsticks), /W\d|memory|NaN|undefined/)
  })

  it.effect.each([everything, yardsticks])("comes back from its JSON", (report) => Effect.gen(function*() {
    const text = yield* Schema.encodeEffect(Report.Json)(report)
    assert.deepStrictEqual(yield* Schema.decodeEffect(Report.Json)(text), report)
  }))

  it.effect("is compared with one of before, as far as both go", () => Effect.gen(function*() {
    const before = yield* Schema.decodeEffect(Report.Json)(earlier)
    const lines = Report.render(everything, before).split("\n")
    assert.match(lines.find((line) => line.startsWith("W3 purchase / Y2")) ?? "", /20\.00 +≤ 20 +20\.00$/)
    assert.match(lines.find((line) => line.startsWith("W5 age p99, 8 buying")) ?? "", /150\.00 +≤ 200$/)
  }))
})
