import { Effect } from "effect"
import * as Consumer from "@marketplace/events/Consumer"
import { Orders } from "./Orders.ts"

/** What order does when it is told something; in the transaction that notes the event as consumed. */
export const Consumers = Consumer.layer("order", Effect.gen(function*() {
  const orders = yield* Orders
  return {
    PaymentCompleted: {
      all: (told) => orders.markPaid(told.map(({ event: { orderId }, origin }) => ({ id: orderId, origin })))
    },
    RefundCompleted: ({ orderId }) => orders.noteRefund(orderId)
  }
}))
