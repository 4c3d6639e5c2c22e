import * as Script from "@marketplace/postgres/Script"
import { type EventContext, published } from "@marketplace/schema/Topology"
import { Struct } from "effect"

/** What an invariant needs beside the schemas in PostgreSQL; where it is kept depends on the profile (`Sources.ts`). */
export type Source = "log" | "catalogue"

/** Something that must be so, with the rows that show that it is not. */
export interface Invariant {
  /** `<area>.<what>`: how reports and people refer to it. */
  readonly name: string
  /** What must be so, in a sentence. */
  readonly says: string
  /** `always`: in every snapshot of the stores. `eventual`: of everything that is older than a minute. */
  readonly holds: "always" | "eventual"
  readonly reads?: ReadonlyArray<Source>
  /**
   * Selects what breaks it. Beside all schemas it sees `scope (since, settled)`, one row: what happened before `since` is not
   * asked for (`-infinity`: everything is), and what happened before `settled` must have come to its end. And what it `reads`:
   *
   * * `log (context, position, event_id, type, stream_key, sequence, occurred_at)`: what the transport carries, once each
   * * `catalogue (product_id, enterprise_id, variant_id, available, sold, stock_sequence, waiting_since)`: a row per variant
   */
  readonly violations: string
}

export const contexts: ReadonlyArray<EventContext> = Struct.keys(published)

/** One query over the tables of all services. */
export const ofEach = (query: (context: EventContext) => string, of = contexts): string =>
  `(${of.map(query).join(" union all ")})`

/** Rows to join with or to look into; texts and nulls. */
export const values = (rows: ReadonlyArray<ReadonlyArray<string | null>>): string =>
  `(values ${rows.map((row) => `(${row.map((cell) => cell === null ? "null" : Script.literal(cell)).join(", ")})`).join(", ")})`

/** A list for `in`. */
export const oneOf = (texts: ReadonlyArray<string>): string => `(${texts.map(Script.literal).join(", ")})`
