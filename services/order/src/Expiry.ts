import { Duration, Effect, Layer } from "effect"
import { expire, type Order } from "@marketplace/domain/Order/Order"
import { crashPoint } from "@marketplace/postgres/CrashPoints"
import { PaymentClient } from "@marketplace/service/Clients"
import * as Sweeper from "@marketplace/service/Sweeper"
import { Checkout } from "./Checkout.ts"
import { OrderRepository } from "./Orders/Repository.ts"
import { Settings } from "./Settings.ts"

/** Whoever works on an order keeps the others away from it for so long. */
const lease = Duration.seconds(10)

/**
 * Drives waiting orders on: one that is still being placed to its decision, one whose payment deadline is over to its end.
 * It expires only after payment has sealed it; while a payment may still succeed the order is asked again after the lease.
 */
export const Expiry = Layer.unwrap(Effect.gen(function*() {
  const orders = yield* OrderRepository
  const payments = yield* PaymentClient
  const checkout = yield* Checkout
  const { sweepInterval } = yield* Settings

  const end = Effect.fn("Expiry.end")(function*(order: Order) {
    const sealed = yield* payments.SealPayments({ orderId: order.id })
    yield* crashPoint("expiry.sealed")
    if (sealed === "SEALED") yield* orders.update(order.id, expire)
  })

  return Sweeper.layer({
    name: "order.waiting-orders",
    every: sweepInterval,
    batch: 50,
    sweep: Sweeper.each("order", (limit) => orders.claimDue(limit, lease), {
      idOf: ({ id }) => id,
      work: (order) => order.status === "PLACING" ? checkout.proceed(order) : end(order)
    })
  })
}))
