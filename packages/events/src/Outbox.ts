import { Context, Effect, Layer } from "effect"
import { SecureRandom } from "effect/crypto"
import { SqlClient, type SqlError, type Statement } from "effect/sql"
import * as Write from "@marketplace/postgres/Write"
import type { EventContext, MarketplaceEvent } from "@marketplace/schema/Topology"
import * as TraceContext from "@marketplace/telemetry/TraceContext"
import * as Codecs from "./Codecs.ts"
import { partitions } from "./Outbox/migration.ts"
import { partitionOf } from "./Partition.ts"
import { Wakeups } from "./Wakeups.ts"

export { migration, publishedIndex } from "./Outbox/migration.ts"

/** The event that is being consumed: it is the cause of what is told meanwhile. */
export const CurrentCause = Context.Reference<string | null>("@marketplace/events/CurrentCause", { defaultValue: () => null })

/** Because of what something is told, and in which trace. */
export interface Origin {
  readonly causeId: string | null
  readonly traceparent: string | null
}

/** The event that is being consumed, and the current span. */
export const currentOrigin: Effect.Effect<Origin> = Effect.gen(function*() {
  return { causeId: yield* CurrentCause, traceparent: (yield* TraceContext.current) ?? null }
})

/** What happened to one stream. */
export interface Told {
  /** Sequence of the stream's last event, as of the version that the change is guarded by; 0 if there is none. */
  readonly after: number
  /** All of one stream. */
  readonly events: ReadonlyArray<MarketplaceEvent>
  /** The current one, if left out. */
  readonly origin?: Origin | undefined
}

/** Keeps events beside the state they tell of, to be published after the commit. */
export class Outbox extends Context.Service<Outbox, {
  /**
   * For any number of streams, to be written with what it tells of. A condition on `stream_key` writes the events of those
   * streams alone. Fails as a unique violation if another event of a stream has the next sequence already, that is, if
   * `after` was not the last one's.
   */
  readonly tell: (...told: ReadonlyArray<Told>) => Effect.Effect<Write.Write>
  /** The same as a statement of its own, in the caller's transaction if there is one. */
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

      const encoded = ({ after, events, origin }: Told, here: Origin) =>
        Effect.forEach(events, (event, n) =>
          Effect.map(Effect.all([Codecs.encode(event), random.uuidV7()]), ([encoded, id]) =>
            ({ ...encoded, ...origin ?? here, id, sequence: after + n + 1 })))

      const tell = Effect.fnUntraced(function*(...told: ReadonlyArray<Told>) {
        const here = yield* currentOrigin
        const streams = yield* Effect.forEach(told, (one) => encoded(one, here))
        const isMixed = streams.some((events) =>
          events.some((one) => one.context !== context || one.streamKey !== events[0]?.streamKey))
        if (isMixed) return yield* Effect.die(new Error(`The outbox of ${context} was told of streams mixed up, or of another context`))
        const events = streams.flat()
        if (events.length === 0) return Write.nothing
        const insert = (when: Statement.Fragment) => sql`
          insert into outbox (partition, stream_key, traceparent, cause_id, sequence, event_id, type, fingerprint, body)
          select partition, stream_key, nullif(traceparent, ''), nullif(cause_id, '')::uuid, sequence, event_id, type,
            fingerprint, body
          from unnest(${events.map(({ streamKey }) => partitionOf(streamKey, partitions))}::int[],
            ${events.map(({ streamKey }) => streamKey)}::text[], ${events.map(({ traceparent }) => traceparent ?? "")}::text[],
            ${events.map(({ causeId }) => causeId ?? "")}::text[], ${events.map(({ sequence }) => sequence)}::int[],
            ${events.map(({ id }) => id)}::text[]::uuid[], ${events.map(({ type }) => type)}::text[],
            ${events.map(({ fingerprint }) => fingerprint)}::text[], ${events.map(({ body }) => body)}::bytea[])
          with ordinality as e (partition, stream_key, traceparent, cause_id, sequence, event_id, type, fingerprint, body, n)
          where ${when} order by n`
        return { ...Write.nothing, statements: [insert], made: sql.afterCommit(wakeups.wake(`outbox/${context}`)) }
      })

      return Outbox.of({
        tell,
        append: Effect.fn("Outbox.append")((...told) => Effect.flatMap(tell(...told), (write) => Write.run(sql, write)))
      })
    })).pipe(Layer.provide(Wakeups.layer))
}
