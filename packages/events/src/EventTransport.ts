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
export const handedOver = 100

/** An event handed to a consumer. */
export interface Delivery {
  readonly envelope: Envelope
}

/**
 * Marks events as consumed, and with each of them those before it in its partition. Run inside the transaction of their
 * effects: the PostgreSQL log moves its offsets there and refuses a transaction of an instance that lost a partition; Kafka
 * commits its offset later.
 */
export type Settle<D extends Delivery> = (deliveries: ReadonlyArray<D>) => Effect.Effect<void, Fenced | SqlError.SqlError>

export interface Subscription {
  /** The name under which offsets are kept; one per service. */
  readonly consumer: string
  readonly contexts: ReadonlyArray<EventContext>
  /** Others are skipped by header, before anything is decoded. */
  readonly types: ReadonlySet<EventName>
  /**
   * Deals with some events of one context, those of a stream in their order: with all of them, or with none and says false.
   * They are then handed over one by one.
   */
  readonly handleAll: <D extends Delivery>(deliveries: ReadonlyArray<D>, settle: Settle<D>) => Effect.Effect<boolean>
  /** Called with the next event of a partition, for different partitions at once. Returns only when it is dealt with. */
  readonly handle: <D extends Delivery>(delivery: D, settle: Settle<D>) => Effect.Effect<void, Fenced>
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
