import { Effect } from "effect"
import type { OrderStatusChanged } from "@marketplace/domain/Order/Events"
import * as Consumer from "@marketplace/events/Consumer"
import { Products } from "./Products.ts"
import { Reservations } from "./Reservations.ts"

/** What product does when it is told something; in the transaction that notes the event as consumed. */
export const Consumers = Consumer.layer("product", Effect.gen(function*() {
  const products = yield* Products
  const reservations = yield* Reservations
  return {
    OrderStatusChanged: ({ orderId, scope, to }: OrderStatusChanged) =>
      scope === "order" ? stockOf(to)(reservations, orderId) : Effect.void,
    ProductStockChanged: ({ available, productId, sold, variantId }, { sequence }) =>
      products.showStock(productId, { variantId, sequence, available, sold })
  }
}))
