import { Duration, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { OrderStatus } from "@marketplace/domain/Order/Order"
import type { OrderId } from "@marketplace/domain/Order/Ids"
import { OrderClient } from "@marketplace/service/Clients"
import * as Sweeper from "@marketplace/service/Sweeper"
import { Settings } from "./Settings.ts"
import { StockRepository } from "./Stock/Repository.ts"

/** An order that still wants its units is asked again after so long. */
const pause = Duration.minutes(1)

/**
 * Asks orders that hold units for unusually long what they are: product never lets a hold go by itself, but an order that
 * ended, or never was, holds nothing. Its event was lost or is late; what is done twice is done once.
 */
export const HoldReview = Layer.unwrap(Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const stock = yield* StockRepository
  const orders = yield* OrderClient
  const { sweepInterval } = yield* Settings

  const review = Effect.fn("HoldReview.review")(function*(order: OrderId) {
    const standing = yield* orders.OrderStanding({ orderId: order })
    if (standing === "PLACED") yield* sql.withTransaction(stock.commit([{ orderId: order }]))
    else if (standing === "UNKNOWN" || OrderStatus.final.includes(standing)) yield* sql.withTransaction(stock.release([{ orderId: order }]))
  })

  return Sweeper.layer({
    name: "product.hold-review",
    every: sweepInterval,
    batch: 50,
    sweep: Sweeper.each("order", (limit) => stock.claimDue(limit, pause), { idOf: (order) => order, work: review })
  })
}))
