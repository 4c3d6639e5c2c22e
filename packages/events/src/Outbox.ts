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

/** Keeps events beside the state they tell of, to be published after the commit. */
export class Outbox extends Context.Service<Outbox, {
  /**
   * In the caller's transaction: state and events are committed together or not at all. Fails with a unique violation if
   * another event of the stream has the next sequence already, that is, if `after` was not read under the lock.
   */
  readonly append: (told: Told) => Effect.Effect<void, SqlError.SqlError>
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
        append: Effect.fn("Outbox.append")(function*({ after, causeId, events }) {
          const bodies = yield* Effect.forEach(events, Codecs.encode)
          const [first] = bodies
          if (first === undefined) return
          if (bodies.some((one) => one.context !== context || one.streamKey !== first.streamKey)) {
            return yield* Effect.die(new Error(`The outbox of ${context} was told of several streams or of another context`))
          }
          const ids = yield* Effect.forEach(events, () => random.uuidV7())
          yield* sql`
            insert into outbox (partition, stream_key, traceparent, cause_id, sequence, event_id, type, fingerprint, body)
            select ${partitionOf(first.streamKey, partitions)}, ${first.streamKey}, ${(yield* TraceContext.current) ?? null},
              ${causeId === undefined ? yield* CurrentCause : causeId}::uuid, ${after} + n, event_id, type, fingerprint, body
            from unnest(${ids}::text[]::uuid[], ${bodies.map(({ type }) => type)}::text[],
              ${bodies.map(({ fingerprint }) => fingerprint)}::text[], ${bodies.map(({ body }) => body)}::bytea[])
            with ordinality as e (event_id, type, fingerprint, body, n)`
          yield* sql.afterCommit(wakeups.wake(`outbox/${context}`))
        })
      })
    })).pipe(Layer.provide(Wakeups.layer))
}
