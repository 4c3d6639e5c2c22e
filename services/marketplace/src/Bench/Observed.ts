import { Config, Effect, Layer, Option } from "effect"
import { SqlClient } from "effect/sql"
import * as Database from "@marketplace/postgres/Database"
import { PostgresServer } from "@marketplace/postgres/PostgresServer"
import { Metric } from "@marketplace/telemetry/Names"
import * as Installation from "../Verify/Installation.ts"

/** What was done so far; undefined where it is not counted. */
export interface Counts {
  /** Of PostgreSQL, without `begin` and `commit`. */
  readonly statements: number | undefined
  /** Of PostgreSQL, those that write; a statement of its own is one, too. */
  readonly transactions: number | undefined
  /** From one service to another; each process shows its own, so only the embedded profile tells them all. */
  readonly calls: number | undefined
}

/** The database of the marketplace that runs in the directory, read while nothing is measured. */
export const layer = (directory: string) =>
  Layer.unwrap(Effect.map(PostgresServer, ({ ownerUrl }) =>
    Database.layer({ url: ownerUrl, service: "bench", maxConnections: 1 }))).pipe(
      Layer.provide(Installation.layerServer(directory))
    )

/**
 * From its next start on the embedded PostgreSQL notes when it commits and counts its statements; somebody else's server is
 * left as it is.
 */
export const begin = Effect.gen(function*() {
  const given = yield* Config.option(Config.Redacted("DATABASE_OWNER_URL"))
  if (Option.isSome(given)) return
  const sql = yield* SqlClient.SqlClient
  yield* sql`alter system set track_commit_timestamp = on`
  yield* sql`alter system set shared_preload_libraries = 'pg_stat_statements'`
  yield* sql`create extension if not exists pg_stat_statements schema public`
})

const inDatabase = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const [loaded] = yield* sql<{ readonly counts: boolean }>`
    select current_setting('shared_preload_libraries') like '%pg_stat_statements%' as counts`
  if (loaded?.counts !== true) return { statements: undefined, transactions: undefined }
  const [row] = yield* sql<{ readonly statements: number; readonly transactions: number }>`
    select coalesce(sum(calls) filter (where query not in ('BEGIN', 'COMMIT')), 0)::float8 as statements,
      pg_snapshot_xmax(pg_current_snapshot())::text::float8 as transactions
    from public.pg_stat_statements`
  return row ?? { statements: undefined, transactions: undefined }
})

/** The samples of a series' count in Prometheus' text. */
const samples = new RegExp(`^${Metric.rpcClient}_count(?:{.*})? (\\d+)`, "gm")

const calls = (gatewayUrl: string) =>
  Effect.promise(async () => {
    const answer = await fetch(`${gatewayUrl}/metrics`)
    const text = await answer.text()
    return answer.ok ? [...text.matchAll(samples)].reduce((sum, [, value]) => sum + Number(value), 0) : undefined
  })

/** All that was done since the servers' first start. */
export const counts = (gatewayUrl: string): Effect.Effect<Counts, never, SqlClient.SqlClient> =>
  Effect.all({ database: Effect.orDie(inDatabase), calls: calls(gatewayUrl) }).pipe(
    Effect.map(({ calls, database }) => ({ ...database, calls }))
  )
