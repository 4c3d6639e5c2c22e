import { Duration, Effect } from "effect"
import type { SqlClient, SqlError, Statement } from "effect/sql"

export interface Options {
  /** Has, beside the key, the columns `owner uuid`, `epoch bigint` and `until timestamptz`. */
  readonly table: string
  /** Columns that name a row. */
  readonly key: string
  /** Only these rows are claimed. */
  readonly among: Statement.Fragment
  /** Names this instance, a UUID. */
  readonly owner: string
  readonly duration: Duration.Duration
}

/**
 * Shares the rows of a table among instances that may die: whoever holds a row, holds it until its lease runs out by the
 * database's clock, and renews before. Each change of the holder raises the row's epoch; a write under a lease says
 * `where epoch = mine`.
 */
export const make = (sql: SqlClient.SqlClient, { among, duration, key, owner, table }: Options) => {
  const [rows, columns] = [sql.literal(table), sql.literal(key)]
  return {
    /**
     * Renews what this instance holds, takes what nobody holds any more, and takes half the difference from an instance
     * that holds more. Returns all it holds now, with the columns asked for beside key and epoch.
     */
    claim: <A extends object>(others: string): Effect.Effect<ReadonlyArray<A & { readonly epoch: bigint }>, SqlError.SqlError> =>
      sql<A & { readonly epoch: bigint }>`
        with busiest as (
          select owner, count(*) as held from ${rows} where owner <> ${owner}::uuid and until > now() and ${among}
          group by owner order by held desc limit 1),
        free as (
          select ${columns} from ${rows} where owner is distinct from ${owner}::uuid and until <= now() and ${among}
          for update skip locked),
        surplus as (
          select ${columns} from ${rows} where owner = (select owner from busiest) and until > now() and ${among}
          limit greatest(0, ((select held from busiest) - (select count(*) from free)
            - (select count(*) from ${rows} where owner = ${owner}::uuid and ${among})) / 2)
          for update skip locked)
        update ${rows} set owner = ${owner}::uuid, until = now() + ${Duration.toSeconds(duration)}::float8 * interval '1 second',
          epoch = epoch + case when owner = ${owner}::uuid then 0 else 1 end
        where (owner = ${owner}::uuid and ${among})
          or (${columns}) in (select ${columns} from free union all select ${columns} from surplus)
        returning ${columns}, epoch${sql.literal(others === "" ? "" : `, ${others}`)}`,
    /** Gives everything back, so that another instance need not wait for the leases to run out. */
    release: Effect.asVoid(sql`update ${rows} set owner = null, until = now() where owner = ${owner}::uuid`)
  }
}
