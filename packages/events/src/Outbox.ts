import { Context, Effect, Layer } from "effect"
import { SecureRandom } from "effect/crypto"
import { SqlClient, type SqlError } from "effect/sql"
import type { EventContext, MarketplaceEvent } from "@marketplace/schema/Topology"
import * as TraceContext from "@marketplace/telemetry/TraceContext"
import * as Codecs from "./Codecs.ts"
import { partitions } from "./Outbox/migration.ts"
import { partitionOf } from "./Partition.ts"
import { Wakeups } from "./Wakeups.ts"

export { migration } from "./Outbox/migration.ts"

/** The event that is being consumed: it is the cause of what is told meanwhile. */
export const CurrentCause = Context.Reference<string | null>("@marketplace/events/CurrentCause", { defaultValue: () => null })

/** What happened to one stream. */
export interface Told {
  /** Sequence of the stream's last event, read under its aggregate's lock; 0 if there is none. */
  readonly after: number
  /** All of one stream. */
  readonly events: ReadonlyArray<MarketplaceEvent>
  /** The event that is consumed at the moment, if left out. */
  readonly causeId?: string | null
}

/** The events with their places in their stream. */
const sequenced = (told: Told, stream: number) =>
  told.events.map((event, n) => ({ event, causeId: told.causeId, stream, sequence: told.after + n + 1 }))

/** Keeps events beside the state they tell of, to be published after the commit. */
export class Outbox extends Context.Service<Outbox, {
  /**
   * One statement for any number of streams. In the caller's transaction: state and events are committed together or not
   * at all. Fails with a unique violation if another event of the stream has the next sequence already, that is, if
   * `after` was not read under the lock.
   */
  readonly append: (...told: ReadonlyArray<Told>) => Effect.Effect<void, SqlError.SqlError>
}>()("@marketplace/events/Outbox") {
  /** Of one service, with its client. Stores the schemas this version writes with. */
  static readonly layer = (context: EventContext) =>
    Layer.effect(Outbox, Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const random = yield* SecureRandom.SecureRandom
      const wakeups = yield* Wakeups
      const writers = Codecs.writersOf(context)
      yield* sql`insert into event_schema
        select * from unnest(${writers.map(({ fingerprint }) => fingerprint)}::text[], ${writers.map(({ avro }) => avro)}::text[])
        on conflict do nothing`

      return Outbox.of({
        append: Effect.fn("Outbox.append")(function*(...told) {
          const events = yield* Effect.forEach(told.flatMap(sequenced), ({ event, ...place }) =>
            Effect.gen(function*() {
              const causeId = place.causeId === undefined ? yield* CurrentCause : place.causeId
              return { ...(yield* Codecs.encode(event)), ...place, id: yield* random.uuidV7(), causeId: causeId ?? "" }
            }))
          if (events.length === 0) return
          const keys = new Map(events.map(({ stream, streamKey }) => [stream, streamKey]))
          if (events.some((one) => one.context !== context || one.streamKey !== keys.get(one.stream))) {
            return yield* Effect.die(new Error(`The outbox of ${context} was told of streams mixed up, or of another context`))
          }
          yield* sql`
            insert into outbox (partition, stream_key, traceparent, cause_id, sequence, event_id, type, fingerprint, body)
            select partition, stream_key, ${(yield* TraceContext.current) ?? null}, nullif(cause_id, '')::uuid, sequence,
              event_id, type, fingerprint, body
            from unnest(${events.map(({ streamKey }) => partitionOf(streamKey, partitions))}::int[],
              ${events.map(({ streamKey }) => streamKey)}::text[], ${events.map(({ causeId }) => causeId)}::text[],
              ${events.map(({ sequence }) => sequence)}::int[], ${events.map(({ id }) => id)}::text[]::uuid[],
              ${events.map(({ type }) => type)}::text[], ${events.map(({ fingerprint }) => fingerprint)}::text[],
              ${events.map(({ body }) => body)}::bytea[])
            with ordinality as e (partition, stream_key, cause_id, sequence, event_id, type, fingerprint, body, n) order by n`
          yield* sql.afterCommit(wakeups.wake(`outbox/${context}`))
        })
      })
    })).pipe(Layer.provide(Wakeups.layer))
}
