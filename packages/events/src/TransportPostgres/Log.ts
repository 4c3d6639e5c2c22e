import { Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import type { EventContext, EventName } from "@marketplace/schema/Topology"
import * as Codecs from "../Codecs.ts"
import type { Envelope } from "../Envelope.ts"
import { partitionOf } from "../Partition.ts"
import { partitions } from "./schema.ts"

/** Where a reader is in a partition of a context's log. */
export interface Cursor {
  readonly partition: number
  /** Of the last event read. */
  readonly position: bigint
}

export interface Entry extends Cursor {
  /** Undefined for an event of a type that was not asked for. */
  readonly envelope: Envelope | undefined
}

interface Row extends Omit<Envelope, "context" | "occurredAt" | "body"> {
  readonly partition: number
  readonly position: bigint
  readonly occurredAt: Date
  readonly body: Uint8Array | null
}

/**
 * A context's log in PostgreSQL. The head row is held from the assignment of positions to the commit, so positions become
 * visible in their order: a reader that reads on from the last one it saw misses nothing. There may be gaps, where two
 * relays told the same event at the same moment.
 *
 * @param notifies whether other processes are told of each append
 */
export const make = (sql: SqlClient.SqlClient, context: EventContext, notifies = false) => {
  const [log, head, schemas] = ["log", "head", "schema"].map((table) => sql.literal(`events.${context}_${table}`))
  const stored = new Set<string>()

  /** The schemas that wrote the bodies, for readers of another version. */
  const storeSchemas = Effect.fnUntraced(function*(events: ReadonlyArray<Envelope>) {
    const fingerprints = [...new Set(events.map(({ fingerprint }) => fingerprint))].filter((one) => !stored.has(one))
    const known = fingerprints.flatMap((fingerprint) => {
      const avro = Codecs.writerOf(fingerprint)
      return avro === undefined ? [] : [{ fingerprint, avro }]
    })
    if (known.length === 0) return
    yield* sql`insert into ${schemas}
      select * from unnest(${known.map(({ fingerprint }) => fingerprint)}::text[], ${known.map(({ avro }) => avro)}::text[])
      on conflict do nothing`
    for (const { fingerprint } of known) stored.add(fingerprint)
  })

  /** One statement, durable when it returns. Events that are there already are not appended again. */
  const append = Effect.fnUntraced(function*(events: ReadonlyArray<Envelope>) {
    yield* storeSchemas(events)
    // No array of nulls only: its type could not be told.
    const text = (values: ReadonlyArray<string | null>) => values.map((value) => value ?? "")
    const heads = yield* sql`
      with told as (
        select * from unnest(
          ${events.map(({ streamKey }) => partitionOf(streamKey, partitions))}::int[],
          ${events.map(({ id }) => id)}::text[]::uuid[],
          ${events.map(({ type }) => type)}::text[],
          ${events.map(({ streamKey }) => streamKey)}::text[],
          ${events.map(({ sequence }) => sequence)}::int[],
          ${events.map(({ occurredAt }) => new Date(occurredAt))}::timestamptz[],
          ${text(events.map(({ traceparent }) => traceparent))}::text[],
          ${text(events.map(({ causeId }) => causeId))}::text[],
          ${events.map(({ fingerprint }) => fingerprint)}::text[],
          ${events.map(({ body }) => body)}::bytea[])
        with ordinality as e (partition, event_id, type, stream_key, sequence, occurred_at, traceparent, cause_id,
          fingerprint, body, n)),
      fresh as (
        select *, row_number() over (order by n) as nth from told
        where not exists (select from ${log} l where l.event_id = told.event_id)),
      moved as (
        update ${head} set position = position + (select count(*) from fresh)
        returning position - (select count(*) from fresh) as before),
      appended as (
        insert into ${log} (partition, position, event_id, type, stream_key, sequence, occurred_at, traceparent, cause_id,
          fingerprint, body)
        select partition, before + nth, event_id, type, stream_key, sequence, occurred_at, nullif(traceparent, ''),
          nullif(cause_id, '')::uuid, fingerprint, body
        from moved, fresh
        on conflict (event_id) do nothing)
      select ${notifies ? sql`pg_notify('events', ${context})` : sql`before`} from moved`
    // Without it nothing was appended either, and nothing would tell.
    if (heads.length === 0) return yield* Effect.die(new Error(`events.${context}_head has lost its row`))
  })

  const cursors = (after: ReadonlyArray<Cursor>) => {
    const [partitions, positions] = [after.map(({ partition }) => partition), after.map(({ position }) => position)]
    return sql`unnest(${partitions}::int[], ${positions}::int8[]) as a (partition, position)`
  }

  /** At most `limit` events of each partition, in the order of their positions. */
  const read = (
    after: ReadonlyArray<Cursor>,
    types: ReadonlySet<EventName>,
    limit: number
  ): Effect.Effect<ReadonlyArray<Entry>, SqlError.SqlError> =>
    sql<Row>`
      select l.partition, l.position, event_id as id, type, stream_key, sequence, occurred_at, traceparent, cause_id,
        fingerprint, case when type = any (${[...types]}::text[]) then body end as body
      from ${cursors(after)}
      cross join lateral (
        select * from ${log} l where l.partition = a.partition and l.position > a.position order by l.position limit ${limit}) l
      order by l.partition, l.position`.pipe(
      Effect.map((rows) =>
        rows.map(({ body, occurredAt, partition, position, ...fields }) => ({
          partition,
          position,
          envelope: body === null ? undefined : { ...fields, context, occurredAt: occurredAt.getTime(), body }
        }))
      )
    )

  /** The schema that wrote with this fingerprint, if its publisher has stored it. */
  const writerOf = (fingerprint: string): Effect.Effect<string | undefined, SqlError.SqlError> =>
    Effect.map(
      sql<{ readonly avro: string }>`select avro from ${schemas} where fingerprint = ${fingerprint}`,
      ([found]) => found?.avro
    )

  /** Events after these cursors; counted no further than 10 000 of a partition. */
  const lag = (after: ReadonlyArray<Cursor>): Effect.Effect<number, SqlError.SqlError> =>
    Effect.map(
      sql<{ readonly events: number }>`
        select count(*)::int as events from ${cursors(after)}
        cross join lateral (select from ${log} l where l.partition = a.partition and l.position > a.position limit 10000) l`,
      ([row]) => row?.events ?? 0
    )

  return { append, read, lag, writerOf }
}

export type Log = ReturnType<typeof make>
