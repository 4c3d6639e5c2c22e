import type { Schema } from "effect"
import { OrderEvent } from "@marketplace/domain/Order/Events"
import { PaymentEvent } from "@marketplace/domain/Payment/Events"
import { ProductEvent } from "@marketplace/domain/Product/Events"
import { UserEvent } from "@marketplace/domain/User/Events"

/** A bounded context: one service owns it, one topic carries its events. */
export type EventContext = "user" | "product" | "order" | "payment"

/**
 * Who tells what, and what decides its order: events with the same stream key are delivered in the order of their
 * sequence. Everything of an order, payments included, has the order's id as its key.
 */
export const published = {
  user: {
    MemberCreated: { schema: UserEvent.cases.MemberCreated, key: (event) => event.memberId }
  },
  product: {
    ProductCreated: { schema: ProductEvent.cases.ProductCreated, key: (event) => event.productId },
    ProductStockChanged: { schema: ProductEvent.cases.ProductStockChanged, key: (event) => event.variantId }
  },
  order: {
    OrderCreated: { schema: OrderEvent.cases.OrderCreated, key: (event) => event.orderId },
    OrderStatusChanged: { schema: OrderEvent.cases.OrderStatusChanged, key: (event) => event.orderId }
  },
  payment: {
    PaymentCreated: { schema: PaymentEvent.cases.PaymentCreated, key: (event) => event.orderId },
    PaymentCompleted: { schema: PaymentEvent.cases.PaymentCompleted, key: (event) => event.orderId },
    PaymentFailed: { schema: PaymentEvent.cases.PaymentFailed, key: (event) => event.orderId },
    RefundInitiated: { schema: PaymentEvent.cases.RefundInitiated, key: (event) => event.orderId },
    RefundCompleted: { schema: PaymentEvent.cases.RefundCompleted, key: (event) => event.orderId }
  }
} as const satisfies { readonly [C in EventContext]: { readonly [N in EventsOf[C]["_tag"]]: Publication<Extract<EventsOf[C], { _tag: N }>> } }

interface EventsOf {
  readonly user: UserEvent
  readonly product: ProductEvent
  readonly order: OrderEvent
  readonly payment: PaymentEvent
}

interface Publication<E> {
  readonly schema: Schema.Codec<E, unknown>
  readonly key: (event: E) => string
}

/** Any event of the platform. */
export type MarketplaceEvent = EventsOf[EventContext]
export type EventName = MarketplaceEvent["_tag"]
/** The events of one context. */
export type EventOf<C extends EventContext> = EventsOf[C]

/** Which events each service acts on. A service's real consumers are held against this by a test. */
export const consumed = {
  user: ["OrderStatusChanged"],
  product: ["OrderStatusChanged", "ProductStockChanged"],
  order: ["PaymentCompleted", "RefundCompleted"],
  payment: []
} as const satisfies { readonly [C in EventContext]: ReadonlyArray<EventName> }

/** Told for people outside the platform, or for a slice that is still to come: nothing here acts on them yet. */
export const external: ReadonlyArray<EventName> = [
  "MemberCreated", "ProductCreated", "OrderCreated", "PaymentCreated", "PaymentFailed", "RefundInitiated"
]
