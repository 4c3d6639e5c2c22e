import { Context, Effect, Schema } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import type { EventContext, EventName } from "@marketplace/schema/Topology"
import * as Codecs from "./Codecs.ts"
import type { Envelope } from "./Envelope.ts"

/** A stream of which an event could not be consumed; what came later waits behind it. */
export interface ParkedStream {
  readonly context: EventContext
  readonly streamKey: string
}

/** An event that was put aside. */
export interface DeadLetter extends ParkedStream {
  readonly eventId: string
  readonly type: EventName
  readonly sequence: number
  /** What is wrong with it; null for one that only waits behind another. */
  readonly reason: string | null
  readonly parkedAt: Date
}

/** The replay of a stream stopped at this event; it and those behind it stay parked. */
export class ReplayFailed extends Schema.TaggedError<ReplayFailed>()("ReplayFailed", {
  eventId: Schema.String,
  reason: Schema.String
}) {}

/** Events that a consumer could not consume, for a person to look at and to have consumed after all. */
export class DeadLetters extends Context.Service<DeadLetters, {
  /** In the order in which a replay takes them. */
  readonly list: (limit: number) => Effect.Effect<ReadonlyArray<DeadLetter>, SqlError.SqlError>
  /**
   * Has a stream's events consumed in their order, each in a transaction of its own, and then lets the stream go on. Returns
   * how many; those before the one that fails stay consumed.
   */
  readonly replay: (stream: ParkedStream) => Effect.Effect<number, ReplayFailed | SqlError.SqlError>
}>()("@marketplace/events/DeadLetters") {}

interface LetterRow {
  readonly id: string
  readonly type: EventName
  readonly sequence: number
  readonly occurredAt: Date
  readonly traceparent: string | null
  readonly causeId: string | null
  readonly fingerprint: string
  readonly avro: string | null
  readonly body: Uint8Array
}

/** A consumer's parked streams, in its service's schema. */
export const make = (sql: SqlClient.SqlClient, consumer: string) => {
  const of = ({ context, streamKey }: ParkedStream) =>
    sql`consumer = ${consumer} and context = ${context} and stream_key = ${streamKey}`

  return {
    list: (limit: number): Effect.Effect<ReadonlyArray<DeadLetter>, SqlError.SqlError> =>
      sql<DeadLetter>`select context, stream_key, event_id, type, sequence, reason, d.parked_at
        from dead_letter d join parked_stream s using (consumer, context, stream_key) where consumer = ${consumer}
        order by s.parked_at, context, stream_key, sequence limit ${limit}`,

    count: Effect.map(
      sql<{ readonly parked: number }>`select count(*)::int as parked from dead_letter where consumer = ${consumer}`,
      ([row]) => row?.parked ?? 0
    ),

    /** In the caller's transaction: puts the event aside, and with it those of its stream that are still to come. */
    park: (envelope: Envelope, reason: string | null): Effect.Effect<void, SqlError.SqlError> =>
      Effect.asVoid(sql`
        with stream as (
          insert into parked_stream (consumer, context, stream_key)
          values (${consumer}, ${envelope.context}, ${envelope.streamKey}) on conflict do nothing)
        insert into dead_letter (consumer, context, stream_key, sequence, event_id, type, occurred_at, traceparent, cause_id,
          fingerprint, avro, body, reason)
        values (${consumer}, ${envelope.context}, ${envelope.streamKey}, ${envelope.sequence}, ${envelope.id}, ${envelope.type},
          ${new Date(envelope.occurredAt)}, ${envelope.traceparent}, ${envelope.causeId}, ${envelope.fingerprint},
          ${Codecs.writerOf(envelope.fingerprint) ?? null}, ${envelope.body}, ${reason})`),

    /** The stream's next event, in a transaction that keeps others from parking behind it; undefined if there is none. */
    next: Effect.fnUntraced(function*(stream: ParkedStream) {
      yield* sql`select 1 from parked_stream where ${of(stream)} for update`
      const [found] = yield* sql<LetterRow>`
        select event_id as id, type, sequence, occurred_at, traceparent, cause_id, fingerprint, avro, body
        from dead_letter where ${of(stream)} order by sequence limit 1`
      if (found === undefined) return undefined
      const { avro, occurredAt, ...fields } = found
      if (avro !== null) Codecs.learn(avro)
      const envelope: Envelope = { ...fields, ...stream, occurredAt: occurredAt.getTime() }
      return envelope
    }),

    /** In the transaction of `next`, after its effect: takes the event away, with the last one the stream's mark. */
    done: Effect.fnUntraced(function*(stream: ParkedStream, eventId: string) {
      yield* sql`delete from dead_letter where ${of(stream)} and event_id = ${eventId}`
      yield* sql`delete from parked_stream s where ${of(stream)} and not exists (
        select from dead_letter d where d.consumer = s.consumer and d.context = s.context and d.stream_key = s.stream_key)`
    }),

    explain: (stream: ParkedStream, eventId: string, reason: string): Effect.Effect<void, SqlError.SqlError> =>
      Effect.asVoid(sql`update dead_letter set reason = ${reason} where ${of(stream)} and event_id = ${eventId}`)
  }
}
