import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { ProductRpc } from "@marketplace/schema/Product/Rpc"
import { Products } from "./Products.ts"
import { Reservations } from "./Reservations.ts"

/** Procedures for the other services. */
export const Rpc = ProductRpc.toLayer(Effect.gen(function*() {
  const products = yield* Products
  const reservations = yield* Reservations
  const sql = yield* SqlClient.SqlClient
  return ProductRpc.of({
    "Product.QuoteVariants": ({ variantIds }) => products.quote(variantIds),
    "Product.ReserveStock": ({ lines, orderId }) => reservations.reserve(orderId, lines),
    "Product.ReleaseReservation": ({ orderId }) => reservations.release([{ orderId }]).pipe(sql.withTransaction, Effect.orDie)
  })
}))
