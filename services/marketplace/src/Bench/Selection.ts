import { Option, Schema } from "effect"

/** What can be left out; the yardsticks always run. */
export const Workload = Schema.Literals(["W1", "W3", "W4", "W5", "W7"])
export type Workload = typeof Workload.Type

/** `W3,w5`; none if a name is unknown. */
export const parse = (text: string): Option.Option<ReadonlySet<Workload>> => {
  const names = text.toUpperCase().split(",").map((name) => name.trim())
  return names.every(Schema.is(Workload)) ? Option.some(new Set(names)) : Option.none()
}

export const all: ReadonlySet<Workload> = new Set(Workload.literals)
