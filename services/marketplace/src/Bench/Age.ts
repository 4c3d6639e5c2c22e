import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { consumed } from "@marketplace/schema/Topology"
import { contexts, ofEach, values } from "../Verify/Invariant.ts"
import { BenchFailed } from "./Server.ts"

/** How old events were, in milliseconds; each counts once at each of its consumers. */
export const Ages = Schema.Struct({ events: Schema.Int, p50: Schema.Finite, p99: Schema.Finite })
export type Ages = typeof Ages.Type

const outbox = ofEach((context) => `select event_id, type, occurred_at from ${context}_service.outbox`)

/** Notes of consumers are never changed: who wrote such a row is who committed the event's effect. */
const inbox = ofEach((context) =>
  `select consumer, event_id, pg_xact_commit_timestamp(xmin) as committed_at from ${context}_service.inbox`)

const consumers = values(contexts.flatMap((consumer) => consumed[consumer].map((type) => [consumer, type])))

const since = (time: string) =>
  SqlClient.SqlClient.use((sql) =>
    sql<Ages & { readonly waiting: number }>`
      with age as (
        select 1000 * extract(epoch from committed_at - occurred_at)::float8 as ms
        from ${sql.literal(outbox)} o
        join ${sql.literal(consumers)} c (consumer, type) using (type)
        left join ${sql.literal(inbox)} i using (consumer, event_id)
        where occurred_at >= ${time}::text::timestamptz)
      select count(*)::int as events, (count(*) - count(ms))::int as waiting,
        coalesce(percentile_cont(0.5) within group (order by ms), 0) as p50,
        coalesce(percentile_cont(0.99) within group (order by ms), 0) as p99
      from age`)

/**
 * Does something and waits until every event of it has its effect. Their age is from the start of the transaction that
 * wrote the event to the commit of the one with its effect, by the database's clock; none where commits are not noted.
 */
export const during = Effect.fn("Bench.Age.during")(function*<A, E, R>(work: Effect.Effect<A, E, R>) {
  const sql = yield* SqlClient.SqlClient
  const [before] = yield* sql<{ readonly time: string; readonly noted: boolean }>`
    select clock_timestamp()::text as time, current_setting('track_commit_timestamp')::boolean as noted`
  const result = yield* work
  if (before?.noted !== true) return result
  for (let n = 0; n < 300; n++) {
    const [{ waiting, ...age } = { waiting: 1, events: 0, p50: 0, p99: 0 }] = yield* since(before.time)
    if (waiting === 0) return { ...result, age }
    yield* Effect.sleep("100 millis")
  }
  return yield* new BenchFailed({ detail: "events have no effect after 30 s" })
})
