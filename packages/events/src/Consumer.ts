import { Cause, Clock, Effect, Layer, Metric } from "effect"
import { SqlClient } from "effect/sql"
import { crashPoint } from "@marketplace/postgres/CrashPoints"
import { consumed, type EventContext, type EventName, type MarketplaceEvent } from "@marketplace/schema/Topology"
import * as Metrics from "@marketplace/telemetry/Metrics"
import * as Names from "@marketplace/telemetry/Names"
import * as TraceContext from "@marketplace/telemetry/TraceContext"
import * as Codecs from "./Codecs.ts"
import * as Letters from "./DeadLetters.ts"
import type { Envelope } from "./Envelope.ts"
import { type Delivery, EventTransport, Fenced, type Settle } from "./EventTransport.ts"
import { CurrentCause, currentOrigin, type Origin } from "./Outbox.ts"
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

/**
 * The same for all events of the type that are consumed together, each stream's in order: for effects that are cheaper for
 * many than for each. What is told because of one of them says so by its `origin`.
 */
export interface BatchHandler<N extends EventName> {
  readonly all: (told: ReadonlyArray<Received<N>>) => Effect.Effect<void, unknown>
}

export interface Received<N extends EventName> {
  readonly event: Named<N>
  readonly about: About
  readonly origin: Origin
}

/** One for each event that the topology says the service consumes. */
export type Handlers<C extends EventContext> = {
  readonly [N in (typeof consumed)[C][number]]: Handler<N> | BatchHandler<N>
}

type AnyHandlers = { readonly [N in EventName]?: Handler<N> | BatchHandler<N> }

const call = <N extends EventName>(handlers: AnyHandlers, name: N, told: ReadonlyArray<Received<N>>): Effect.Effect<void, unknown> => {
  const handler = handlers[name]
  if (handler === undefined) return Effect.die(new Error(`No handler for ${name}`))
  return typeof handler === "function"
    ? Effect.forEach(told, ({ about, event }) => handler(event, about), { discard: true })
    : handler.all(told)
}

const aboutOf = ({ id, occurredAt, sequence, streamKey }: Envelope): About => ({ eventId: id, streamKey, sequence, occurredAt })

/** So long a transaction for several events may take. */
const together = "2 seconds"

/** The first line, bounded: what is kept with the event must not hold whole requests. */
const reasonOf = (cause: Cause.Cause<unknown>): string => Cause.pretty(cause).split("\n", 1)[0]?.slice(0, 500) ?? ""

const make = Effect.fnUntraced(function*(consumer: EventContext, handlers: AnyHandlers) {
  const sql = yield* SqlClient.SqlClient
  const letters = Letters.make(sql, consumer)

  const countLetters = Effect.flatMap(letters.count, (parked) => Metric.update(Metrics.deadLetters(consumer), parked))

  const told = Effect.fnUntraced(function*(envelope: Envelope) {
    const event = yield* Codecs.decode(envelope)
    return { event, about: aboutOf(envelope), origin: yield* Effect.provideService(currentOrigin, CurrentCause, envelope.id) }
  })

  const effectOf = (one: Received<EventName>): Effect.Effect<void, unknown> =>
    Effect.provideService(call(handlers, one.event._tag, [one]), CurrentCause, one.about.eventId)

  /**
   * Which of these events, all of one context, are new here, and which streams are parked; waits for a replay under way.
   * Several events lock rows in no order: rather than end somebody else's transaction as a deadlock, they soon let go.
   */
  const receive = Effect.fnUntraced(function*(envelopes: ReadonlyArray<Envelope>) {
    const letGoSoon = envelopes.length > 1 ? sql`, set_config('lock_timeout', '100ms', true)` : sql``
    const [row] = yield* sql<{ readonly fresh: ReadonlyArray<string>; readonly parked: ReadonlyArray<string> }>`
      with fresh as (
        insert into inbox (consumer, event_id)
        select ${consumer}, id from unnest(${envelopes.map(({ id }) => id)}::text[]::uuid[]) as e (id)
        on conflict do nothing returning event_id),
      parked as (
        select stream_key from parked_stream
        where consumer = ${consumer} and context = ${envelopes[0]?.context ?? ""}
          and stream_key = any (${envelopes.map(({ streamKey }) => streamKey)}::text[]) for share)
      select array (select event_id::text from fresh) as fresh, array (select stream_key from parked) as parked${letGoSoon}`
    const fresh = new Set(row?.fresh)
    const parked = new Set(row?.parked)
    // An event that is there twice is new once.
    return envelopes.map(({ id, streamKey }) => ({ isNew: fresh.delete(id), isParked: parked.has(streamKey) }))
  })

  const spanned = (envelope: Envelope) =>
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

  /** In the trace of the first one, which knows the others by links. */
  const spannedTogether = (name: EventName, [first, ...others]: ReadonlyArray<Received<EventName>>) =>
    TraceContext.withRemoteParent(first?.origin.traceparent, `process ${name} together`, {
      attributes: { [Names.Messaging.consumerGroup]: consumer, [Names.Messaging.batchSize]: others.length + 1 },
      links: others.flatMap(({ origin }) => {
        const span = TraceContext.parse(origin.traceparent)
        return span === undefined ? [] : [{ span, attributes: {} }]
      })
    })

  /** Events that wait to take effect together, by type; those of one stream are of one type. */
  const makeBatches = () => {
    const waiting = new Map<EventName, Array<Received<EventName>>>()
    const streams = new Map<string, EventName>()
    return {
      add: (one: Received<EventName>) => {
        const { _tag: name } = one.event
        streams.set(one.about.streamKey, name)
        waiting.set(name, [...waiting.get(name) ?? [], one])
      },
      hasOtherOf: ({ about: { streamKey }, event }: Received<EventName>) => (streams.get(streamKey) ?? event._tag) !== event._tag,
      flush: Effect.suspend(() => {
        const batches = [...waiting]
        waiting.clear()
        streams.clear()
        return Effect.forEach(batches, ([name, all]) => call(handlers, name, all).pipe(spannedTogether(name, all)), { discard: true })
      })
    }
  }

  /** All of them in one transaction, so that most of its cost is shared. */
  const consume = <D extends Delivery>(deliveries: ReadonlyArray<D>, settle: Settle<D>) =>
    sql.withTransaction(Effect.gen(function*() {
      const received = yield* receive(deliveries.map(({ envelope }) => envelope))
      const batches = makeBatches()
      const outcomes = yield* Effect.forEach(deliveries, ({ envelope }, n) =>
        Effect.gen(function*() {
          const { isNew = false, isParked = false } = received[n] ?? {}
          if (isNew && isParked) yield* letters.park(envelope, null)
          else if (isNew) {
            const one = yield* told(envelope)
            // What waits of its stream comes first.
            if (batches.hasOtherOf(one)) yield* batches.flush
            if (deliveries.length > 1 && typeof handlers[one.event._tag] === "object") batches.add(one)
            else yield* effectOf(one)
          }
          const outcome: Metrics.ConsumerOutcome = !isNew ? "duplicate" : isParked ? "behind" : "consumed"
          yield* Effect.annotateCurrentSpan(Names.Event.outcome, outcome)
          return outcome
        }).pipe(spanned(envelope)))
      yield* batches.flush
      yield* settle(deliveries)
      yield* crashPoint("consumer.applied")
      return outcomes
    })).pipe(Effect.tap(crashPoint("consumer.committed")))

  const park = <D extends Delivery>(delivery: D, settle: Settle<D>, cause: Cause.Cause<unknown>) => {
    const { envelope } = delivery
    return sql.withTransaction(Effect.gen(function*() {
      const [first] = yield* receive([envelope])
      if (first?.isNew === true) yield* letters.park(envelope, reasonOf(cause))
      yield* settle([delivery])
      const outcome: Metrics.ConsumerOutcome = first?.isNew === true ? "parked" : "duplicate"
      return [outcome]
    })).pipe(
      Effect.tap(() => Effect.logError(`${consumer} parked ${envelope.type} ${envelope.id} of ${envelope.streamKey}`, cause))
    )
  }

  const note = Effect.fnUntraced(function*({ occurredAt, type }: Envelope, outcome: Metrics.ConsumerOutcome) {
    yield* Metric.update(Metrics.consumerEvents(consumer, type, outcome), 1)
    if (outcome === "consumed") {
      yield* Metric.update(Metrics.eventAge(consumer, type), ((yield* Clock.currentTimeMillis) - occurredAt) / 1000)
    }
    if (outcome === "parked" || outcome === "behind") yield* Effect.ignore(countLetters)
  })

  /** Returns when the event took effect, or is parked. */
  const handle = <D extends Delivery>(delivery: D, settle: Settle<D>): Effect.Effect<void, Fenced> => {
    const { envelope } = delivery
    return consume([delivery], settle).pipe(
      Effect.catchCauseIf((cause) => !isFenced(cause) && !isTemporary(cause), (cause) => park(delivery, settle, cause)),
      // Not to be repeated.
      Effect.catchCauseIf(isFenced, () => Effect.succeed("fenced" as const)),
      Effect.tapCause(() => note(envelope, "retried")),
      persist(`${consumer}: ${envelope.type} ${envelope.id}`),
      Effect.flatMap((outcomes) =>
        outcomes === "fenced"
          ? new Fenced({ consumer })
          : Effect.forEach(outcomes, (outcome) => note(envelope, outcome), { discard: true }))
    )
  }

  /** As long as nothing is wrong, and nobody keeps them waiting: one event's trouble is not the others'. */
  const handleAll = <D extends Delivery>(deliveries: ReadonlyArray<D>, settle: Settle<D>): Effect.Effect<boolean> =>
    consume(deliveries, settle).pipe(
      Effect.timeout(together),
      Effect.flatMap((outcomes) =>
        Effect.forEach(deliveries, ({ envelope }, n) => note(envelope, outcomes[n] ?? "consumed"), { discard: true })),
      Effect.as(true),
      Effect.catchCause((cause) => Cause.hasInterruptsOnly(cause) ? Effect.interrupt : Effect.succeed(false))
    )

  /** The first event of a parked stream, in a transaction of its own; false when none is left. */
  const replayNext = (stream: Letters.ParkedStream) =>
    sql.withTransaction(Effect.gen(function*() {
      const envelope = yield* letters.next(stream)
      if (envelope === undefined) return false
      yield* Effect.flatMap(told(envelope), effectOf).pipe(
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
  return { handle, handleAll, deadLetters: Letters.DeadLetters.of({ list: letters.list, replay }) }
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
    const { deadLetters, ...handling } = yield* make(consumer, yield* handlers)
    const types: ReadonlySet<EventName> = new Set(consumed[consumer])
    const contexts = [...new Set(consumed[consumer].map(Codecs.contextOf))]
    if (contexts.length > 0) yield* Effect.forkScoped(transport.subscribe({ consumer, contexts, types, ...handling }))
    return deadLetters
  }))
