import { Context, type Effect, Schema } from "effect"
import type { SqlError } from "effect/sql"
import type { EventContext, EventName } from "@marketplace/schema/Topology"
import type { Envelope } from "./Envelope.ts"

/** Broker, registry or log cannot be reached; nothing is known to be wrong with the events. Try again. */
export class TransportUnavailable extends Schema.TaggedError<TransportUnavailable>()("TransportUnavailable", {
  detail: Schema.String,
  cause: Schema.Defect()
}) {
  override get message(): string {
    return this.detail
  }
}

/** Another instance has taken the partition over; what this one does for it must not be committed. */
export class Fenced extends Schema.TaggedError<Fenced>()("Fenced", { consumer: Schema.String }) {}

/** So many events are handed over at once, at most. */
export const handedOver = 20

/** An event handed to a consumer. */
export interface Delivery {
  readonly envelope: Envelope
  /**
   * Marks the event as consumed. Run inside the transaction of the effect: the PostgreSQL log moves its offset there and
   * refuses a transaction of an instance that lost the partition; Kafka commits its offset after `handle` has returned.
   */
  readonly settle: Effect.Effect<void, Fenced | SqlError.SqlError>
}

export interface Subscription {
  /** The name under which offsets are kept; one per service. */
  readonly consumer: string
  readonly contexts: ReadonlyArray<EventContext>
  /** Others are skipped by header, before anything is decoded. */
  readonly types: ReadonlySet<EventName>
  /**
   * Called with some events of one partition, at least one, in their order; for different partitions at once. Returns only
   * when all are dealt with. To settle one is to settle those before it.
   */
  readonly handle: (deliveries: ReadonlyArray<Delivery>) => Effect.Effect<void, Fenced>
}

/**
 * Carries events from the relay of their publisher to every subscribed service: at least once, in order per stream key.
 * Exactly-once effects are the consumer's business (`Consumer.ts`).
 */
export class EventTransport extends Context.Service<EventTransport, {
  /** Returns when the events would survive the loss of every process. All of one context. */
  readonly publish: (context: EventContext, events: ReadonlyArray<Envelope>) => Effect.Effect<void, TransportUnavailable>
  /** Delivers from the first event on, until interrupted. */
  readonly subscribe: (subscription: Subscription) => Effect.Effect<never>
}>()("@marketplace/events/EventTransport") {}
