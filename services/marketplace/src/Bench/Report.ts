import { Schema } from "effect"
import { Ages } from "./Age.ts"

const Result = Schema.Struct({
  connections: Schema.Int,
  operations: Schema.Int,
  seconds: Schema.Finite,
  perSecond: Schema.Finite,
  p50: Schema.Finite,
  p99: Schema.Finite,
  cpu: Schema.Finite,
  requests: Schema.optional(Schema.Finite),
  calls: Schema.optional(Schema.Finite),
  statements: Schema.optional(Schema.Finite),
  transactions: Schema.optional(Schema.Finite)
})

/**
 * What one call of the benchmark found. Times in milliseconds, memory in MiB; `cpu` is per operation, all server
 * processes together, and so are requests sent, calls between services, statements and transactions of PostgreSQL. What was
 * not run or cannot be counted is left out.
 */
export const Report = Schema.Struct({
  profile: Schema.Literals(["embedded", "full"]),
  products: Schema.Int,
  /** Milliseconds since 1970. */
  at: Schema.Int,
  y1: Schema.Array(Result),
  y2: Schema.Finite,
  w1: Schema.optional(Schema.Array(Result)),
  /** With `Cache-Control: no-cache`: what a read costs that the gateway's cache does not answer. */
  w1PastTheCache: Schema.optional(Result),
  /** `age`: of the events of these purchases (`Age.during`). */
  w3: Schema.optional(Schema.Array(Schema.Struct({ ...Result.fields, age: Schema.optional(Ages) }))),
  w4: Schema.optional(Schema.Struct({
    ...Result.fields,
    sold: Schema.Int,
    refused: Schema.Int,
    exact: Schema.Boolean
  })),
  /** CPU per event; its age when its effect is committed, a hundred a second, on the embedded transport. */
  w5: Schema.optional(Schema.Struct({
    relay: Schema.Finite,
    effect: Schema.Finite,
    ageP50: Schema.Finite,
    ageP99: Schema.Finite
  })),
  w7: Schema.optional(Schema.Finite),
  /**
   * Of the process that was started; `all`: with those that it has started. `over`: after `purchases` more, and after
   * as many again.
   */
  memory: Schema.optional(Schema.Struct({
    start: Schema.optional(Schema.Finite),
    before: Schema.Finite,
    after: Schema.Finite,
    all: Schema.Finite,
    over: Schema.Array(Schema.Finite),
    purchases: Schema.optional(Schema.Int)
  }))
})
export type Report = typeof Report.Type

export const Json = Schema.fromJsonString(Report)

type Results = ReadonlyArray<typeof Result.Type>

/** The steady figure of a workload: CPU at the most connections. */
const steady = (results: Results = []): number | undefined => results.at(-1)?.cpu

/** The age that one event in a hundred exceeds, in purchases at eight connections. */
const oldest = ({ w3 = [] }: Report) => w3.find(({ connections }) => connections === 8)?.age?.p99

interface Ratio {
  readonly name: string
  readonly value: number
  /** None for what is held against something else on the full profile. */
  readonly target: number | undefined
}

/**
 * What is held against the targets: each figure in units of a yardstick of the same run, ages in milliseconds; a purchase on
 * the full profile in units of one on the embedded profile, where `earlier` is a report of that.
 */
export const ratios = (report: Report, earlier?: Report): ReadonlyArray<Ratio> => {
  const { profile, w1, w3, w4, w5, y1, y2 } = report
  const embedded = (target: number) => profile === "embedded" ? target : undefined
  const other = profile === "full" && earlier?.profile === "embedded" ? steady(earlier.w3) : undefined
  return [
    { name: "W1 product by id / Y1", value: steady(w1), unit: steady(y1), target: embedded(3) },
    { name: "W3 purchase / Y2", value: steady(w3), unit: y2, target: embedded(20) },
    { name: "W3 purchase / embedded profile", value: other === undefined ? undefined : steady(w3), unit: other, target: 2 },
    { name: "W4 refused buyer / Y2", value: w4?.cpu, unit: y2, target: embedded(3) },
    { name: "W5 relay and transport per event / Y2", value: w5?.relay, unit: y2, target: 0.5 },
    { name: "W5 effect / Y2", value: w5?.effect, unit: y2, target: 1 },
    { name: "W5 age p99, 100 events/s, ms", value: w5?.ageP99, unit: 1, target: 200 },
    { name: "W5 age p99, 8 buying, ms", value: oldest(report), unit: 1, target: embedded(200) ?? 500 }
  ].flatMap(({ name, target, unit = 0, value }) => value === undefined ? [] : [{ name, value: value / unit, target }])
}

const row = (cells: ReadonlyArray<string>) =>
  cells.map((cell, n) => n === 0 ? cell.padEnd(40) : cell.padStart(11)).join("").trimEnd()
const number = (value: number, digits = 2) => value.toFixed(digits)

const lines = (name: string, results: Results = []) =>
  results.map(({ connections, cpu, p50, p99, perSecond }) =>
    row([
      `${name}, ${connections} connection${connections === 1 ? "" : "s"}`,
      number(perSecond, 1),
      number(p50, 1),
      number(p99, 1),
      number(cpu)
    ]))

const flashLines = (w4: Report["w4"]) => {
  if (w4 === undefined) return []
  const { cpu, p50, p99, perSecond } = w4
  return [row(["W4 flash sale, per buyer", number(perSecond, 1), number(p50, 1), number(p99, 1), number(cpu)])]
}

/** What an operation makes the servers do, at the most connections. */
const countLines = ({ w1, w3, w4 }: Report) => {
  const counted = [
    { name: "W1 product by id", result: w1?.at(-1) },
    { name: "W3 purchase", result: w3?.at(-1) },
    { name: "W4 flash sale, per buyer", result: w4 }
  ].flatMap(({ name, result }) => {
    if (result?.requests === undefined) return []
    const { calls, requests, statements, transactions } = result
    return [row([name, ...[requests, calls, statements, transactions].map((one) => one === undefined ? "" : number(one))])]
  })
  return counted.length === 0
    ? []
    : ["", row(["per operation", "requests", "calls", "statements", "transact."]), ...counted]
}

const stockLines = (w4: Report["w4"]) =>
  w4 === undefined
    ? []
    : [`W4 sold ${w4.sold} and refused ${w4.refused}: ${w4.exact ? "exactly the stock" : "NOT exactly the stock"}`]

const ageLine = (when: string, { p50, p99 }: { readonly p50: number; readonly p99: number }) =>
  row([`W5 outbox to effect, ${when}`, "", number(p50, 0), number(p99, 0)])

const eventLines = ({ w3 = [], w5 }: Report) => [
  ...(w5 === undefined ? [] : [
    row(["W5 relay and transport, per event", "", "", "", number(w5.relay)]),
    row(["W5 consumer's effect, per event", "", "", "", number(w5.effect)]),
    ageLine("100 events/s *", { p50: w5.ageP50, p99: w5.ageP99 })
  ]),
  ...w3.flatMap(({ age, connections }) => age === undefined ? [] : [ageLine(`${connections} buying **`, age)])
]

const ageNotes = ({ w3 = [], w5 }: Report) => {
  const events = w3.reduce((sum, { age }) => sum + (age?.events ?? 0), 0)
  return [
    ...(w5 === undefined ? [] : [
      "*  from the start of the event's transaction until its effect was committed: one writer and one consumer on the",
      "   embedded transport, and nothing else running"
    ]),
    ...(events === 0 ? [] : [
      `** from the start of the event's transaction to the commit of its effect, ${events} times: every event of W3's`,
      "   purchases at each of its consumers, on the marketplace's own transport, by PostgreSQL's commit times"
    ])
  ]
}

const memoryLines = (memory: Report["memory"]) => {
  if (memory === undefined) return []
  const { after, all, before, over: [first, second], purchases = "many", start } = memory
  const mebibytes = (value: number) => `${number(value, 0)} MiB`
  const started = start === undefined ? "" : `${mebibytes(start)} after its start, `
  return [
    `memory of the Node process ${started}${mebibytes(before)} before and ${mebibytes(after)} after, ` +
    `all processes ${mebibytes(all)}`,
    ...(first === undefined || second === undefined ? [] : [
      `  ${mebibytes(first)} after ${purchases} more purchases, ${mebibytes(second)} after as many again: ` +
      `${number(second / first)} times`
    ])
  ]
}

/** As text; ratios are shown beside those of an earlier report, which need not come from the same machine. */
export const render = (report: Report, earlier?: Report): string => {
  const before = new Map((earlier === undefined ? [] : ratios(earlier)).map(({ name, value }) => [name, number(value)]))
  const { w4, w7 } = report
  return [
    `${report.profile} profile, ${report.products} products`,
    "",
    row(["", "per second", "p50 ms", "p99 ms", "CPU ms"]),
    ...lines("Y1 constant answer", report.y1),
    row(["Y2 transaction of three statements", "", "", "", number(report.y2)]),
    ...lines("W1 product by id", report.w1),
    ...lines("W1 past the cache", report.w1PastTheCache === undefined ? [] : [report.w1PastTheCache]),
    ...lines("W3 purchase", report.w3),
    ...flashLines(w4),
    ...eventLines(report),
    ...countLines(report),
    "",
    ...ageNotes(report),
    ...stockLines(w4),
    ...(w7 === undefined ? [] : [`W7 start to ready ${number(w7 / 1000, 1)} s`]),
    ...memoryLines(report.memory),
    "",
    row(["ratio", "now", "target", ...(earlier === undefined ? [] : ["before"])]),
    ...ratios(report, earlier).map(({ name, target, value }) =>
      row([name, number(value), target === undefined ? "" : `≤ ${target}`, ...(earlier === undefined ? [] : [before.get(name) ?? ""])]))
  ].join("\n")
}
