import { Cause, Clock, Effect, Layer, Metric } from "effect"
import { SqlClient } from "effect/sql"
import { consumed, type EventContext, type EventName, type MarketplaceEvent } from "@marketplace/schema/Topology"
import * as Metrics from "@marketplace/telemetry/Metrics"
import * as Names from "@marketplace/telemetry/Names"
import * as TraceContext from "@marketplace/telemetry/TraceContext"
import * as Codecs from "./Codecs.ts"
import * as Letters from "./DeadLetters.ts"
import type { Envelope } from "./Envelope.ts"
import { type Delivery, EventTransport, Fenced } from "./EventTransport.ts"
import { CurrentCause } from "./Outbox.ts"
import { persist } from "./Persistence.ts"
import { isTemporary } from "./Unavailability.ts"

/** What is known of an event beside what it says. */
export interface About {
  readonly eventId: string
  readonly streamKey: string
  readonly sequence: number
  /** Milliseconds since 1970. */
  readonly occurredAt: number
}

type Named<N extends EventName> = Extract<MarketplaceEvent, { readonly _tag: N }>

/**
 * What a service does when it is told something. Runs in the transaction that notes the event as consumed; what it appends
 * to the outbox is caused by the event. Fails or dies with one of `unavailable`, or with a SQL error of a database that is
 * away: it is repeated until it succeeds. With anything else: the event is parked.
 */
export type Handler<N extends EventName> = (event: Named<N>, about: About) => Effect.Effect<void, unknown>

/** One for each event that the topology says the service consumes. */
export type Handlers<C extends EventContext> = { readonly [N in (typeof consumed)[C][number]]: Handler<N> }

type AnyHandlers = { readonly [N in EventName]?: Handler<N> }

const call = <N extends EventName>(
  handlers: AnyHandlers,
  name: N,
  event: Named<N>,
  about: About
): Effect.Effect<void, unknown> => {
  const handler = handlers[name]
  return handler === undefined ? Effect.die(new Error(`No handler for ${name}`)) : handler(event, about)
}

const aboutOf = ({ id, occurredAt, sequence, streamKey }: Envelope): About => ({ eventId: id, streamKey, sequence, occurredAt })

/** The first line, bounded: what is kept with the event must not hold whole requests. */
const reasonOf = (cause: Cause.Cause<unknown>): string => Cause.pretty(cause).split("\n", 1)[0]?.slice(0, 500) ?? ""

const make = Effect.fnUntraced(function*(consumer: EventContext, handlers: AnyHandlers) {
  const sql = yield* SqlClient.SqlClient
  const letters = Letters.make(sql, consumer)

  const countLetters = Effect.flatMap(letters.count, (parked) => Metric.update(Metrics.deadLetters(consumer), parked))

  const effectOf = (envelope: Envelope): Effect.Effect<void, unknown> =>
    Effect.flatMap(Codecs.decode(envelope), (event) => call(handlers, event._tag, event, aboutOf(envelope))).pipe(
      Effect.provideService(CurrentCause, envelope.id)
    )

  /** Whether the event is new here, and whether its stream is parked; the latter waits for a replay under way. */
  const receive = ({ context, id, streamKey }: Envelope) =>
    Effect.map(
      sql<{ readonly isNew: boolean; readonly isParked: boolean }>`
        with new as (
          insert into inbox (consumer, event_id) values (${consumer}, ${id}) on conflict do nothing returning 1),
        parked as (
          select 1 from parked_stream
          where consumer = ${consumer} and context = ${context} and stream_key = ${streamKey} for share)
        select exists (select from new) as is_new, exists (select from parked) as is_parked`,
      ([row]) => ({ isNew: row?.isNew === true, isParked: row?.isParked === true })
    )

  const consume = ({ envelope, settle }: Delivery) =>
    sql.withTransaction(Effect.gen(function*() {
      const { isNew, isParked } = yield* receive(envelope)
      if (isNew && isParked) yield* letters.park(envelope, null)
      else if (isNew) yield* effectOf(envelope)
      yield* settle
      const outcome: Metrics.ConsumerOutcome = !isNew ? "duplicate" : isParked ? "behind" : "consumed"
      return outcome
    }))

  const park = ({ envelope, settle }: Delivery, cause: Cause.Cause<unknown>) =>
    sql.withTransaction(Effect.gen(function*() {
      const { isNew } = yield* receive(envelope)
      if (isNew) yield* letters.park(envelope, reasonOf(cause))
      yield* settle
      const outcome: Metrics.ConsumerOutcome = isNew ? "parked" : "duplicate"
      return outcome
    })).pipe(
      Effect.tap(() => Effect.logError(`${consumer} parked ${envelope.type} ${envelope.id} of ${envelope.streamKey}`, cause))
    )

  const note = Effect.fnUntraced(function*({ occurredAt, type }: Envelope, outcome: Metrics.ConsumerOutcome) {
    yield* Metric.update(Metrics.consumerEvents(consumer, type, outcome), 1)
    if (outcome === "consumed") {
      yield* Metric.update(Metrics.eventAge(consumer, type), ((yield* Clock.currentTimeMillis) - occurredAt) / 1000)
    }
    if (outcome === "parked" || outcome === "behind") yield* Effect.ignore(countLetters)
    yield* Effect.annotateCurrentSpan(Names.Event.outcome, outcome)
  })

  /** Returns when the event took effect, or is parked. */
  const handle = (delivery: Delivery): Effect.Effect<void, Fenced> => {
    const { envelope } = delivery
    return consume(delivery).pipe(
      Effect.catchCauseIf((cause) => !isFenced(cause) && !isTemporary(cause), (cause) => park(delivery, cause)),
      // Not to be repeated.
      Effect.catchCauseIf(isFenced, () => Effect.succeed("fenced" as const)),
      Effect.tapCause(() => note(envelope, "retried")),
      persist(`${consumer}: ${envelope.type} ${envelope.id}`),
      Effect.flatMap((outcome) => outcome === "fenced" ? new Fenced({ consumer }) : note(envelope, outcome)),
      TraceContext.withRemoteParent(envelope.traceparent, `process ${envelope.type}`, {
        attributes: {
          [Names.Messaging.destination]: `${envelope.context}.events`,
          [Names.Messaging.operation]: "process",
          [Names.Messaging.messageId]: envelope.id,
          [Names.Messaging.consumerGroup]: consumer,
          [Names.Event.type]: envelope.type,
          [Names.Event.streamKey]: envelope.streamKey,
          [Names.Event.sequence]: envelope.sequence
        }
      })
    )
  }

  /** The first event of a parked stream, in a transaction of its own; false when none is left. */
  const replayNext = (stream: Letters.ParkedStream) =>
    sql.withTransaction(Effect.gen(function*() {
      const envelope = yield* letters.next(stream)
      if (envelope === undefined) return false
      yield* effectOf(envelope).pipe(
        Effect.catchCause((cause) => new Letters.ReplayFailed({ eventId: envelope.id, reason: reasonOf(cause) }))
      )
      yield* letters.done(stream, envelope.id)
      return true
    }))

  const replay = Effect.fn("DeadLetters.replay")(function*(stream: Letters.ParkedStream) {
    let count = 0
    while (yield* replayNext(stream)) count++
    return count
  }, (effect, stream) =>
    effect.pipe(
      Effect.tapErrorTag("ReplayFailed", ({ eventId, reason }) => letters.explain(stream, eventId, reason)),
      Effect.ensuring(Effect.ignore(countLetters))
    ))

  yield* Effect.ignore(countLetters)
  return { handle, deadLetters: Letters.DeadLetters.of({ list: letters.list, replay }) }
})

const isFenced = (cause: Cause.Cause<unknown>) =>
  cause.reasons.some((reason) => Cause.isFailReason(reason) && reason.error instanceof Fenced)

/**
 * Consumes in the background what the topology says of the service, from the first event on, each event once. `handlers`
 * and their repositories must use the same `SqlClient` as this layer. Provides the events that could not be consumed.
 */
export const layer = <C extends EventContext, E, R>(consumer: C, handlers: Effect.Effect<Handlers<C> & AnyHandlers, E, R>) =>
  Layer.effect(Letters.DeadLetters, Effect.gen(function*() {
    const transport = yield* EventTransport
    const { deadLetters, handle } = yield* make(consumer, yield* handlers)
    const types: ReadonlySet<EventName> = new Set(consumed[consumer])
    const contexts = [...new Set(consumed[consumer].map(Codecs.contextOf))]
    if (contexts.length > 0) yield* Effect.forkScoped(transport.subscribe({ consumer, contexts, types, handle }))
    return deadLetters
  }))
