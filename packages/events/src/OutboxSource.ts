import { Duration, Effect, Metric } from "effect"
import { SecureRandom } from "effect/crypto"
import { SqlClient, type SqlError } from "effect/sql"
import type { EventContext } from "@marketplace/schema/Topology"
import * as Metrics from "@marketplace/telemetry/Metrics"
import * as Codecs from "./Codecs.ts"
import type { Envelope } from "./Envelope.ts"
import * as Leases from "./Leases.ts"
import { monotonicMillis } from "./MonotonicMillis.ts"
import { type Listener, Wakeups } from "./Wakeups.ts"

/** Where a relay finds events that wait to be published. */
export interface OutboxSource<E> {
  /**
   * At most `limit` waiting events of the streams that this instance holds, each stream's in order. They keep waiting, and
   * are given again, until they are `published`. The schemas that wrote them are known to `Codecs`.
   */
  readonly next: (limit: number) => Effect.Effect<ReadonlyArray<Envelope>, E>
  /** The events of the last `next` are with the transport. Those of streams lost meanwhile are left to who has them now. */
  readonly published: (events: ReadonlyArray<Envelope>) => Effect.Effect<void, E>
  readonly listener: Listener
}

interface Row extends Omit<Envelope, "context" | "occurredAt"> {
  readonly occurredAt: Date
}

/**
 * The service's outbox table. Streams are spread over partitions, which the instances of the service share by leases. A
 * round is one query when there is nothing; claims are renewed three times per lease.
 */
export const postgres = (context: EventContext, lease: Duration.Duration) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const random = yield* SecureRandom.SecureRandom
    const wakeups = yield* Wakeups
    const leases = Leases.make(sql, {
      table: "relay_partition",
      key: "partition",
      among: sql.literal("true"),
      owner: yield* random.uuidV4(),
      duration: lease
    })
    yield* Effect.addFinalizer(() => Effect.ignore(Effect.timeout(leases.release, "2 seconds")))

    const pending = Metrics.outboxPending(context)
    let held: ReadonlyArray<{ readonly partition: number; readonly epoch: bigint }> = []
    let renewAt = -Infinity

    const renew = Effect.gen(function*() {
      // A wall clock that was set back would let the leases end.
      const now = yield* monotonicMillis
      if (now < renewAt) return
      held = yield* leases.claim<{ readonly partition: number }>("")
      yield* count
      renewAt = now + Duration.toMillis(lease) / 3
    })

    /** Those that nobody has taken over since they were claimed. */
    const mine = () => {
      const [partitions, epochs] = [held.map(({ partition }) => partition), held.map(({ epoch }) => epoch)]
      return sql`unnest(${partitions}::int[], ${epochs}::int8[]) as h (partition, epoch)
        join relay_partition r on r.partition = h.partition and r.epoch = h.epoch`
    }

    /** Bounded, since it is only looked at. */
    const count = Effect.flatMap(
      sql<{ readonly pending: number }>`
        select count(*)::int as pending from (select from outbox where published_at is null limit 10000) p`,
      ([row]) => Metric.update(pending, row?.pending ?? 0)
    )

    const learn = Effect.fnUntraced(function*(rows: ReadonlyArray<Row>) {
      const unknown = new Set(rows.map(({ fingerprint }) => fingerprint).filter((one) => Codecs.writerOf(one) === undefined))
      if (unknown.size === 0) return
      const found = yield* sql<{ readonly avro: string }>`
        select avro from event_schema where fingerprint = any (${[...unknown]}::text[])`
      for (const { avro } of found) Codecs.learn(avro)
    })

    const source: OutboxSource<SqlError.SqlError> = {
      listener: yield* wakeups.listen(`outbox/${context}`),
      next: Effect.fnUntraced(function*(limit) {
        yield* renew
        if (held.length === 0) return []
        const rows = yield* sql<Row>`
          select event_id as id, type, stream_key, sequence, occurred_at, traceparent, cause_id, fingerprint, body
          from outbox where published_at is null and partition = any (array (select r.partition from ${mine()}))
          order by position limit ${limit}`
        yield* learn(rows)
        return rows.map(({ occurredAt, ...fields }) => ({ ...fields, context, occurredAt: occurredAt.getTime() }))
      }),
      published: (events) =>
        Effect.asVoid(sql`
          update outbox o set published_at = now() from ${mine()}
            join unnest(${events.map(({ streamKey }) => streamKey)}::text[], ${events.map(({ sequence }) => sequence)}::int[])
              as e (stream_key, sequence) on true
          where o.stream_key = e.stream_key and o.sequence = e.sequence and o.partition = r.partition`)
    }
    return source
  })
