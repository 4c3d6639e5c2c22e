import { Clock, Effect, Metric } from "effect"
import { Label, Metric as Name } from "./Names.ts"

/**
 * What the platform counts and measures. A function gives one series, the same for the same labels. A series exists from
 * its first update on: update a gauge with 0, too.
 */

/** A series is made once: Effect's `withAttributes` would copy the context, and write its key anew, at each update. */
const series = <Labels extends ReadonlyArray<string | number>, M>(make: (...labels: Labels) => M) => {
  const known = new Map<string, M>()
  return (...labels: Labels): M => {
    const key = labels.join("\n")
    const found = known.get(key) ?? make(...labels)
    known.set(key, found)
    return found
  }
}

// Effect's exporters make the unit of an OTLP metric of this attribute; the Prometheus text leaves it out.
const inSeconds = { unit: "seconds" }

/** Upper bounds of the buckets, in seconds. `le="+Inf"` is added when they are shown. */
export const buckets = {
  /** A request, a call or a round: 1 ms to 10 s. */
  work: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  /** From a commit to its effect elsewhere: 5 ms while all is well, up to an hour after an outage. */
  age: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600]
} as const

type Attributes = Readonly<Record<string, string>>

const counter = (name: string, description: string) => (attributes: Attributes) =>
  Metric.counter(name, { description, attributes, incremental: true })

const gauge = (name: string, description: string) => (attributes: Attributes) => Metric.gauge(name, { description, attributes })

/** Of seconds. */
const histogram = (name: string, description: string, boundaries: ReadonlyArray<number>) => (attributes: Attributes) =>
  Metric.histogram(name, { description, attributes: { ...inSeconds, ...attributes }, boundaries })

const pending = gauge(Name.outboxPending, "Events that are written and not yet published")

/** Events in the outbox of a context that are not published. */
export const outboxPending = series((context: string) => pending({ [Label.context]: context }))

const published = counter(Name.outboxPublished, "Events that were published")

/** Events published from the outbox of a context; more than were written, after a crash before they were marked. */
export const outboxPublished = series((context: string) => published({ [Label.context]: context }))

const round = histogram(Name.relayRound, "Time to claim, publish and mark one batch", buckets.work)

/** Rounds of a context's relay that published something, in seconds. */
export const relayRound = series((context: string) => round({ [Label.context]: context }))

const age = histogram(Name.eventAge, "Time from the commit of an event to the commit of its effect in a consumer", buckets.age)

/** How old an event is when a consumer has committed its effect, in seconds. */
export const eventAge = series((consumer: string, type: string) => age({ [Label.consumer]: consumer, [Label.type]: type }))

/**
 * What became of a delivery: it took effect; it was here before; it was parked as poison; it was parked behind an earlier
 * one of its stream; an attempt failed and is repeated.
 */
export type ConsumerOutcome = "consumed" | "duplicate" | "parked" | "behind" | "retried"

const events = counter(Name.consumerEvents, "Deliveries to a consumer, by what became of them")

/** Deliveries of one type to one consumer with one outcome. */
export const consumerEvents = series((consumer: string, type: string, outcome: ConsumerOutcome) =>
  events({ [Label.consumer]: consumer, [Label.type]: type, [Label.outcome]: outcome }))

const lag = gauge(Name.consumerLag, "Events in the log that a consumer has not dealt with")

/** Events of a context that a consumer has not dealt with, over all partitions. */
export const consumerLag = series((consumer: string, context: string) => lag({ [Label.consumer]: consumer, [Label.context]: context }))

const letters = gauge(Name.deadLetters, "Events that are parked, until somebody replays them")

/** Parked events of a consumer. */
export const deadLetters = series((consumer: string) => letters({ [Label.consumer]: consumer }))

const claimed = counter(Name.sweeperClaimed, "Items that a sweeper dealt with")

/** Items that a sweeper dealt with. */
export const sweeperClaimed = series((sweeper: string) => claimed({ [Label.sweeper]: sweeper }))

/** When a loop last succeeded, in seconds since 1970. */
export const loopLastSuccess = series((loop: string) =>
  Metric.gauge(Name.loopLastSuccess, {
    description: "When a background loop last succeeded, in seconds since 1970",
    attributes: { ...inSeconds, [Label.loop]: loop }
  }))

/** Marks a success of a loop, also one that found nothing to do; run it beside what tells `Health` the same. */
export const loopSucceeded = (loop: string): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => Metric.update(loopLastSuccess(loop), now / 1000))

const replays = counter(Name.idempotencyReplays, "Answers that were given again to the same key")

/** Answers of an operation given from the idempotency record instead of doing the work. */
export const idempotencyReplays = series((operation: string) => replays({ [Label.operation]: operation }))

/** It was kept and fresh; the service was asked for it; the caller wanted the service's own. */
export type SharedCacheOutcome = "hit" | "miss" | "bypass"

const shared = counter(Name.sharedCacheRequests, "Requests for what is the same for everybody, by whether the answer was kept")

/** Requests to the gateway for what it may keep, by outcome. */
export const sharedCacheRequests = series((outcome: SharedCacheOutcome) => shared({ [Label.outcome]: outcome }))

const http = histogram(Name.httpServer, "Time to answer a request, by route template and status", buckets.work)

/** Requests to one route, in seconds, of the service that the attributes name (`HttpMetrics.ts` records it). */
export const httpServer = (attributes: Attributes) =>
  series((method: string, route: string, status: number) =>
    http({ ...attributes, [Label.method]: method, [Label.route]: route, [Label.status]: String(status) }))

const rpc = histogram(Name.rpcClient, "Time until a call to another service was answered, retries included", buckets.work)

/** Calls of another service's method, in seconds; the outcome is `ok` or the error's tag. */
export const rpcClient = series((target: string, method: string, outcome: string) =>
  rpc({ [Label.target]: target, [Label.method]: method, [Label.outcome]: outcome }))
