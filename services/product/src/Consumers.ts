import { Effect } from "effect"
import * as Consumer from "@marketplace/events/Consumer"
import { Products } from "./Products.ts"
import { Reservations } from "./Reservations.ts"

/** What product does when it is told something; in the transaction that notes the event as consumed. */
export const Consumers = Consumer.layer("product", Effect.gen(function*() {
  const products = yield* Products
  const reservations = yield* Reservations
  return {
    OrderStatusChanged: ({ orderId, scope, to }) => {
      if (scope !== "order") return Effect.void
      switch (to) {
        case "PLACED":
          return reservations.commit(orderId)
        case "EXPIRED":
        case "CANCELLED":
        case "REJECTED":
          return reservations.release(orderId)
        default:
          return Effect.void
      }
    },
    ProductStockChanged: {
      all: (told) =>
        products.showStock(told.map(({ about: { sequence }, event: { available, productId, sold, variantId } }) =>
          ({ productId, variantId, sequence, available, sold })
        ))
    }
  }
}))
