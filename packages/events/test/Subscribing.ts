import { Effect } from "effect"
import type { EventContext, EventName } from "@marketplace/schema/Topology"
import type { Envelope } from "../src/Envelope.ts"
import { type Delivery, EventTransport, type Fenced, type Settle, type Subscription } from "../src/EventTransport.ts"

/** An event, and what marks it as consumed. */
export interface Given extends Delivery {
  readonly settle: ReturnType<Settle<Delivery>>
}

type Handling = Pick<Subscription, "handle" | "handleAll">

const orderEvents: ReadonlySet<EventName> = new Set(["OrderStatusChanged"])

/** Subscribes to order's events in the background. */
export const subscribe = (consumer: EventContext, handling: Handling, types = orderEvents) =>
  Effect.flatMap(EventTransport, (transport) =>
    Effect.forkScoped(transport.subscribe({ consumer, contexts: ["order"], types, ...handling })))

export const oneByOne = (handle: (given: Given) => Effect.Effect<void, Fenced>): Handling => ({
  handleAll: () => Effect.succeed(false),
  handle: (delivery, settle) => handle({ ...delivery, settle: settle([delivery]) })
})

/** Settles what comes, together if possible, and keeps first occurrences only: delivery is at least once. */
export const recordIn = (got: Array<Envelope>): Handling => {
  const record = <D extends Delivery>(deliveries: ReadonlyArray<D>, settle: Settle<D>) =>
    Effect.tap(settle(deliveries), () =>
      Effect.sync(() => {
        for (const { envelope } of deliveries) if (!got.some(({ id }) => id === envelope.id)) got.push(envelope)
      }))
  return {
    handleAll: (deliveries, settle) => Effect.match(record(deliveries, settle), { onFailure: () => false, onSuccess: () => true }),
    handle: (delivery, settle) => Effect.catchTag(record([delivery], settle), "SqlError", Effect.die)
  }
}
