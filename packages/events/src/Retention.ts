import { Duration, Effect, Layer, Schedule } from "effect"
import { SqlClient, type SqlError, type Statement } from "effect/sql"
import type { EventContext } from "@marketplace/schema/Topology"
import * as Loop from "./Loop.ts"
import { persist } from "./Persistence.ts"

/** Twice this exceeds the 30 days for which Kafka keeps events, and what an inbox forgets must not come again. */
export const keptFor = Duration.days(16)

/** Rows deleted in one statement. */
const batch = 5000

const asInterval = (sql: SqlClient.SqlClient, age: Duration.Duration) =>
  sql`${Duration.toSeconds(age)}::float8 * interval '1 second'`

/** Deletes in bounded batches, so that no statement holds many rows for long. Returns how many rows are gone. */
const deleteAll = Effect.fnUntraced(function*(table: string, which: (sql: SqlClient.SqlClient) => Statement.Fragment) {
  const sql = yield* SqlClient.SqlClient
  const name = sql.literal(table)
  let gone = 0
  for (let last = batch; last === batch; gone += last) {
    const rows = yield* sql`
      delete from ${name} where ctid = any (array (select ctid from ${name} where ${which(sql)} limit ${batch})) returning 1`
    last = rows.length
  }
  return gone
})

/** Events that were published longer ago than `age`: older replays are not possible from here. */
export const pruneOutbox = (age: Duration.Duration): Effect.Effect<number, SqlError.SqlError, SqlClient.SqlClient> =>
  deleteAll("outbox", (sql) => sql`published_at < now() - ${asInterval(sql, age)}`)

/**
 * What was consumed longer ago than `age`. An event that comes again after that takes effect a second time: `age` must
 * exceed the time for which the transport keeps events.
 */
export const pruneInbox = (age: Duration.Duration): Effect.Effect<number, SqlError.SqlError, SqlClient.SqlClient> =>
  deleteAll("inbox", (sql) => sql`consumed_at < now() - ${asInterval(sql, age)}`)

/** Events in the PostgreSQL log of the service's own context that are older than `age` and consumed by all that do so. */
export const pruneLog = Effect.fnUntraced(function*(context: EventContext, age: Duration.Duration) {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly gone: bigint }>`
    select ${sql.literal(`events.prune_${context}`)}(${asInterval(sql, age)}) as gone`
  return Number(row?.gone ?? 0)
})

/**
 * Prunes every hour: outbox and, if there is one, log after `age`, inbox after twice that, since it must remember longer
 * than any transport does.
 */
export const layer = (context: EventContext, { age = keptFor, log }: { readonly age?: Duration.Duration; readonly log: boolean }) =>
  Layer.effectDiscard(Effect.gen(function*() {
    const succeeded = yield* Loop.register(`retention.${context}`, "3 hours")
    const round = Effect.gen(function*() {
      yield* pruneOutbox(age)
      if (log) yield* pruneLog(context, age)
      yield* pruneInbox(Duration.times(age, 2))
      yield* succeeded
    })
    yield* round.pipe(persist(`Pruning events of ${context}`), Effect.repeat(Schedule.spaced("1 hour")), Effect.forkScoped)
  }))
