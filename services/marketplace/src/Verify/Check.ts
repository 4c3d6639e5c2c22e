import { Effect } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { type Invariant, ofEach } from "./Invariant.ts"
import { isMissing, type Missing, type Sources } from "./Sources.ts"

/** How many of the rows that break an invariant are shown. */
const shown = 20

/** From when on, and up to when; as PostgreSQL writes times. */
export interface Scope {
  readonly since: string
  readonly settled: string
}

/** An invariant with what breaks it. */
export interface Finding {
  readonly invariant: Invariant
  /** All of them. */
  readonly violations: number
  /** The first ones. */
  readonly rows: ReadonlyArray<unknown>
}

/** An invariant of which nothing is known. */
export interface Unchecked extends Missing {
  readonly invariant: Invariant
}

export interface Outcome {
  readonly findings: ReadonlyArray<Finding>
  readonly unchecked: ReadonlyArray<Unchecked>
}

/**
 * Where the check stands in time. The clock stands still while nothing runs: what was under way then is not late. How long
 * something has run is seen in the leases of the relays, which are renewed every few seconds and given back at the end.
 *
 * @param runs something is known to run, whatever its leases say
 * @param since seconds before that clock, or a time; undefined for everything
 */
export const scopeOf = Effect.fn("Verify.scope")(function*(
  runs: boolean,
  since: number | Date | undefined
): Effect.fn.Return<Scope, SqlError.SqlError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const leases = sql.literal(ofEach((context) => `select until from ${context}_service.relay_partition`))
  const ago = (seconds: number) => sql`clock - ${seconds}::float8 * interval '1 second'`
  const from = since === undefined ? sql`'-infinity'` : typeof since === "number" ? ago(since) : sql`${since}`
  const [found] = yield* sql<Scope>`
    with time as (select case when ${runs} then now() else least(now(), (select max(until) from ${leases} l)) end as clock)
    select (${from})::timestamptz::text as since, (clock - interval '1 minute')::text as settled from time`
  return found ?? (yield* Effect.die(new Error("PostgreSQL does not know what time it is")))
})

/** Reads only; whoever wants one snapshot runs it in a transaction that has one. */
export const check = Effect.fn("Verify.check")(function*(
  invariants: ReadonlyArray<Invariant>,
  { settled, since }: Scope,
  sources: Sources
): Effect.fn.Return<Outcome, SqlError.SqlError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const findings: Array<Finding> = []
  const unchecked: Array<Unchecked> = []
  for (const invariant of invariants) {
    const params: Array<unknown> = [since, settled]
    const relations = ["scope as (select $1::timestamptz as since, $2::timestamptz as settled)"]
    let missing: Missing | undefined
    for (const name of invariant.reads ?? []) {
      const relation = sources[name]
      if (isMissing(relation)) missing = relation
      else if (relation.rows === undefined) relations.push(`${name} as (${relation.query})`)
      else {
        params.push(JSON.stringify(relation.rows))
        relations.push(`${name} as (with given as (select $${params.length}::text::jsonb as rows) ${relation.query})`)
      }
    }
    if (missing !== undefined) {
      unchecked.push({ invariant, ...missing })
      continue
    }
    const rows = yield* sql.unsafe<{ readonly violations: number; readonly row: unknown }>(
      `with ${relations.join(",\n")}, violation as (${invariant.violations})
      select count(*) over ()::int as violations, to_jsonb(violation) as row from violation limit ${shown}`,
      params
    )
    findings.push({ invariant, violations: rows[0]?.violations ?? 0, rows: rows.map(({ row }) => row) })
  }
  return { findings, unchecked }
})
