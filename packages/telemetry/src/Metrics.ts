import { Clock, Effect, Metric } from "effect"
import { Label, Metric as Name } from "./Names.ts"

/**
 * What the platform counts and measures. A function gives one series; whoever updates it often keeps it. A series exists
 * from its first update on: update a gauge with 0, too.
 */

// Effect's exporters make the unit of an OTLP metric of this attribute; the Prometheus text leaves it out.
const inSeconds = { unit: "seconds" }

/** Upper bounds of the buckets, in seconds. `le="+Inf"` is added when they are shown. */
export const buckets = {
  /** A request, a call or a round: 1 ms to 10 s. */
  work: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  /** From a commit to its effect elsewhere: 5 ms while all is well, up to an hour after an outage. */
  age: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600]
} as const

const pending = Metric.gauge(Name.outboxPending, { description: "Events that are written and not yet published" })

/** Events in the outbox of a context that are not published. */
export const outboxPending = (context: string) => Metric.withAttributes(pending, { [Label.context]: context })

const published = Metric.counter(Name.outboxPublished, { description: "Events that were published", incremental: true })

/** Events published from the outbox of a context; more than were written, after a crash before they were marked. */
export const outboxPublished = (context: string) => Metric.withAttributes(published, { [Label.context]: context })

const round = Metric.histogram(Name.relayRound, {
  description: "Time to claim, publish and mark one batch",
  attributes: inSeconds,
  boundaries: buckets.work
})

/** Rounds of a context's relay that published something, in seconds. */
export const relayRound = (context: string) => Metric.withAttributes(round, { [Label.context]: context })

const age = Metric.histogram(Name.eventAge, {
  description: "Time from the commit of an event to the commit of its effect in a consumer",
  attributes: inSeconds,
  boundaries: buckets.age
})

/** How old an event is when a consumer has committed its effect, in seconds. */
export const eventAge = (consumer: string, type: string) =>
  Metric.withAttributes(age, { [Label.consumer]: consumer, [Label.type]: type })

/**
 * What became of a delivery: it took effect; it was here before; it was parked as poison; it was parked behind an earlier
 * one of its stream; an attempt failed and is repeated.
 */
export type ConsumerOutcome = "consumed" | "duplicate" | "parked" | "behind" | "retried"

const events = Metric.counter(Name.consumerEvents, {
  description: "Deliveries to a consumer, by what became of them",
  incremental: true
})

/** Deliveries of one type to one consumer with one outcome. */
export const consumerEvents = (consumer: string, type: string, outcome: ConsumerOutcome) =>
  Metric.withAttributes(events, { [Label.consumer]: consumer, [Label.type]: type, [Label.outcome]: outcome })

const lag = Metric.gauge(Name.consumerLag, { description: "Events in the log that a consumer has not dealt with" })

/** Events of a context that a consumer has not dealt with, over all partitions. */
export const consumerLag = (consumer: string, context: string) =>
  Metric.withAttributes(lag, { [Label.consumer]: consumer, [Label.context]: context })

const letters = Metric.gauge(Name.deadLetters, { description: "Events that are parked, until somebody replays them" })

/** Parked events of a consumer. */
export const deadLetters = (consumer: string) => Metric.withAttributes(letters, { [Label.consumer]: consumer })

const claimed = Metric.counter(Name.sweeperClaimed, { description: "Items that a sweeper dealt with", incremental: true })

/** Items that a sweeper dealt with. */
export const sweeperClaimed = (sweeper: string) => Metric.withAttributes(claimed, { [Label.sweeper]: sweeper })

const lastSuccess = Metric.gauge(Name.loopLastSuccess, {
  description: "When a background loop last succeeded, in seconds since 1970",
  attributes: inSeconds
})

/** When a loop last succeeded, in seconds since 1970. */
export const loopLastSuccess = (loop: string) => Metric.withAttributes(lastSuccess, { [Label.loop]: loop })

/** Marks a success of a loop, also one that found nothing to do; run it beside what tells `Health` the same. */
export const loopSucceeded = (loop: string): Effect.Effect<void> => {
  const series = loopLastSuccess(loop)
  return Effect.flatMap(Clock.currentTimeMillis, (now) => Metric.update(series, now / 1000))
}

const replays = Metric.counter(Name.idempotencyReplays, {
  description: "Answers that were given again to the same key",
  incremental: true
})

/** Answers of an operation given from the idempotency record instead of doing the work. */
export const idempotencyReplays = (operation: string) => Metric.withAttributes(replays, { [Label.operation]: operation })

/** It was kept and fresh; the service was asked for it; the caller wanted the service's own. */
export type SharedCacheOutcome = "hit" | "miss" | "bypass"

/** Requests to the gateway for what it may keep, by outcome. */
export const sharedCacheRequests = (outcome: SharedCacheOutcome) =>
  // `withAttributes` would copy the context at each update.
  Metric.counter(Name.sharedCacheRequests, {
    description: "Requests for what is the same for everybody, by whether the answer was kept",
    attributes: { [Label.outcome]: outcome },
    incremental: true
  })

const http = Metric.histogram(Name.httpServer, {
  description: "Time to answer a request, by route template and status",
  attributes: inSeconds,
  boundaries: buckets.work
})

/** Requests to one route, in seconds (`HttpMetrics.ts` records it). */
export const httpServer = (method: string, route: string, status: number) =>
  Metric.withAttributes(http, { [Label.method]: method, [Label.route]: route, [Label.status]: String(status) })

const rpc = Metric.histogram(Name.rpcClient, {
  description: "Time until a call to another service was answered, retries included",
  attributes: inSeconds,
  boundaries: buckets.work
})

/** Calls of another service's method, in seconds; the outcome is `ok` or the error's tag. */
export const rpcClient = (target: string, method: string, outcome: string) =>
  Metric.withAttributes(rpc, { [Label.target]: target, [Label.method]: method, [Label.outcome]: outcome })
