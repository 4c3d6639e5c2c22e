import { Clock, Duration, Effect, Layer, Metric, type Scope } from "effect"
import { crashPoint } from "@marketplace/postgres/CrashPoints"
import type { EventContext } from "@marketplace/schema/Topology"
import * as Metrics from "@marketplace/telemetry/Metrics"
import { Messaging } from "@marketplace/telemetry/Names"
import type { Envelope } from "./Envelope.ts"
import { EventTransport } from "./EventTransport.ts"
import * as Loop from "./Loop.ts"
import * as OutboxSource from "./OutboxSource.ts"
import { persist } from "./Persistence.ts"
import { Wakeups } from "./Wakeups.ts"

export interface Options {
  /** How long streams stay with an instance that is not heard of any more. 10 seconds if left out. */
  readonly lease?: Duration.Duration
  /** How often the outbox is looked at when nobody says that there is something new. 1 second if left out. */
  readonly poll?: Duration.Duration
  /** Tells two relays of one context apart, where its events wait in two places; the context if left out. */
  readonly name?: string
  /** Events published at once. 200 if left out. */
  readonly batch?: number
}

/**
 * Publishes what a source holds, in order, and only then marks it: after a crash between the two it is published again,
 * and consumers recognise it by its id. Never gives up.
 */
export const run = <E, R>(
  context: EventContext,
  open: Effect.Effect<OutboxSource.OutboxSource<E>, never, R | Scope.Scope>,
  { batch = 200, name = context, poll = Duration.seconds(1) }: Options
) =>
  Effect.scoped(Effect.gen(function*() {
    const transport = yield* EventTransport
    const source = yield* open
    const succeeded = yield* Loop.register(`relay.${name}`)
    const [published, duration] = [Metrics.outboxPublished(context), Metrics.relayRound(context)]

    const publish = (events: ReadonlyArray<Envelope>) =>
      transport.publish(context, events).pipe(Effect.withSpan(`send ${context}.events`, {
        root: true,
        kind: "producer",
        attributes: {
          [Messaging.destination]: `${context}.events`,
          [Messaging.operation]: "send",
          [Messaging.batchSize]: events.length
        }
      }))

    const round = Effect.gen(function*() {
      const start = yield* Clock.currentTimeMillis
      // The questions of a loop are no trace that anybody looks for.
      const events = yield* Effect.withTracerEnabled(source.next(batch), false)
      if (events.length > 0) {
        yield* publish(events)
        yield* crashPoint("relay.published")
        yield* Effect.withTracerEnabled(source.published(events), false)
        yield* crashPoint("relay.marked")
        yield* Metric.update(published, events.length)
        yield* Metric.update(duration, ((yield* Clock.currentTimeMillis) - start) / 1000)
      }
      yield* succeeded
      return events.length
    })
    return yield* Effect.forever(Effect.flatMap(
      round.pipe(persist(`The relay of ${context}`)),
      (events) => events === batch ? Effect.void : source.listener.wait(poll)
    ))
  }))

/** Runs in the background, beside those of the service's other instances. */
export const layer = (context: EventContext, options: Options = {}) =>
  Layer.effectDiscard(Effect.forkScoped(
    run(context, OutboxSource.postgres(context, options.lease ?? Duration.seconds(10)), options)
  )).pipe(Layer.provide(Wakeups.layer))
