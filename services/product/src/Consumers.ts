import { Effect } from "effect"
import * as Consumer from "@marketplace/events/Consumer"
import { Products } from "./Products.ts"
import { Reservations } from "./Reservations.ts"

/** What product does when it is told something; in the transaction that notes the event as consumed. */
export const Consumers = Consumer.layer("product", Effect.gen(function*() {
  const products = yield* Products
  const reservations = yield* Reservations
  return {
    OrderStatusChanged: {
      all: Effect.fnUntraced(function*(told) {
        const ended = (states: ReadonlyArray<string>) =>
          told.flatMap(({ event: { orderId, scope, to }, origin }) =>
            scope === "order" && states.includes(to) ? [{ orderId, origin }] : [])
        const [paid, givenUp] = [ended(["PLACED"]), ended(["EXPIRED", "CANCELLED", "REJECTED"])]
        if (paid.length > 0) yield* reservations.commit(paid)
        if (givenUp.length > 0) yield* reservations.release(givenUp)
      })
    },
    ProductStockChanged: {
      all: (told) =>
        products.showStock(told.map(({ about: { sequence }, event: { available, productId, sold, variantId } }) =>
          ({ productId, variantId, sequence, available, sold })
        ))
    }
  }
}))
