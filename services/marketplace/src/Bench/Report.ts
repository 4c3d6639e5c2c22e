import { Schema } from "effect"

const Result = Schema.Struct({
  connections: Schema.Int,
  operations: Schema.Int,
  seconds: Schema.Finite,
  perSecond: Schema.Finite,
  p50: Schema.Finite,
  p99: Schema.Finite,
  cpu: Schema.Finite
})

/** What one call of the benchmark found. Times in milliseconds, memory in MiB; `cpu` is per operation, all server processes together. */
export const Report = Schema.Struct({
  profile: Schema.Literals(["embedded", "full"]),
  products: Schema.Int,
  /** Milliseconds since 1970. */
  at: Schema.Int,
  y1: Schema.Array(Result),
  y2: Schema.Finite,
  w1: Schema.Array(Result),
  w3: Schema.Array(Result),
  w4: Schema.Struct({ ...Result.fields, sold: Schema.Int, refused: Schema.Int, exact: Schema.Boolean }),
  /** CPU per event; its age when it has its effect, a hundred a second, on the embedded transport. */
  w5: Schema.Struct({ relay: Schema.Finite, effect: Schema.Finite, ageP50: Schema.Finite, ageP99: Schema.Finite }),
  w7: Schema.Finite,
  /** `over`: after many more purchases, and after as many again. */
  memory: Schema.Struct({ before: Schema.Finite, after: Schema.Finite, all: Schema.Finite, over: Schema.Array(Schema.Finite) })
})
export type Report = typeof Report.Type

export const Json = Schema.fromJsonString(Report)

/** The steady figure of a workload: CPU at the most connections. */
const steady = (results: Report["w1"]): number => results.at(-1)?.cpu ?? 0

interface Ratio {
  readonly name: string
  readonly value: number
  readonly target: number | undefined
}

/** What is held against the targets: each figure in units of a yardstick of the same run. */
export const ratios = ({ w1, w3, w4, w5, y1, y2 }: Report): ReadonlyArray<Ratio> => [
  { name: "W1 product by id / Y1", value: steady(w1) / steady(y1), target: 3 },
  { name: "W3 purchase / Y2", value: steady(w3) / y2, target: 20 },
  { name: "W4 refused buyer / Y2", value: w4.cpu / y2, target: 3 },
  { name: "W5 relay and transport per event / Y2", value: w5.relay / y2, target: 0.5 },
  { name: "W5 effect / Y2", value: w5.effect / y2, target: 1 }
]

const row = (cells: ReadonlyArray<string>) => cells.map((cell, n) => n === 0 ? cell.padEnd(40) : cell.padStart(11)).join("")
const number = (value: number, digits = 2) => value.toFixed(digits)

const lines = (name: string, results: Report["w1"]) =>
  results.map(({ connections, cpu, p50, p99, perSecond }) =>
    row([`${name}, ${connections} connection${connections === 1 ? "" : "s"}`, number(perSecond, 1), number(p50, 1), number(p99, 1), number(cpu)]))

/** As text; ratios are shown beside those of an earlier report, which need not come from the same machine. */
export const render = (report: Report, earlier?: Report): string => {
  const before = new Map((earlier === undefined ? [] : ratios(earlier)).map(({ name, value }) => [name, value]))
  return [
    `${report.profile} profile, ${report.products} products`,
    "",
    row(["", "per second", "p50 ms", "p99 ms", "CPU ms"]),
    ...lines("Y1 constant answer", report.y1),
    row(["Y2 transaction of three statements", "", "", "", number(report.y2)]),
    ...lines("W1 product by id", report.w1),
    ...lines("W3 purchase", report.w3),
    row(["W4 flash sale, per buyer", number(report.w4.perSecond, 1), number(report.w4.p50, 1), number(report.w4.p99, 1), number(report.w4.cpu)]),
    row(["W5 relay and transport, per event", "", "", "", number(report.w5.relay)]),
    row(["W5 consumer's effect, per event", "", "", "", number(report.w5.effect)]),
    row(["W5 from outbox to effect, 100 events/s", "", number(report.w5.ageP50, 0), number(report.w5.ageP99, 0), ""]),
    "",
    `W4 sold ${report.w4.sold} and refused ${report.w4.refused}: ${report.w4.exact ? "exactly the stock" : "NOT exactly the stock"}`,
    `W7 start to ready ${number(report.w7 / 1000, 1)} s`,
    `memory of the Node process ${number(report.memory.before, 0)} MiB before and ${number(report.memory.after, 0)} MiB after, all processes ${number(report.memory.all, 0)} MiB`,
    ...(report.memory.over.length === 0 ? [] : [`  then, by many more purchases, ${report.memory.over.map((one) => number(one, 0)).join(" and ")} MiB`]),
    "",
    row(["ratio", "now", "target", ...(earlier === undefined ? [] : ["before"])]),
    ...ratios(report).map(({ name, target, value }) =>
      row([
        name,
        number(value),
        target === undefined ? "" : `≤ ${target}`,
        ...(earlier === undefined ? [] : [number(before.get(name) ?? 0)])
      ]))
  ].join("\n")
}
