import { Schema } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"
import { Money } from "@marketplace/domain/Money"
import { VariantQuote } from "@marketplace/domain/Order/Checkout"
import { OrderId } from "@marketplace/domain/Order/Ids"
import { Rejection } from "@marketplace/domain/Order/Order"
import { VariantId } from "@marketplace/domain/Product/Ids"
import { EnterpriseId } from "@marketplace/domain/User/Ids"
import { ServiceOnly } from "../Access.ts"

/** What is to be held, at the price and of the seller that the buyer was quoted. */
export const ReservationLine = Schema.Struct({
  variantId: VariantId,
  quantity: Schema.Int.check(Schema.isGreaterThan(0)),
  unitPrice: Money,
  enterpriseId: EnterpriseId
})

/** Nothing is held. RELEASED: the order was given up before, so nothing will ever be held for it again. */
export class ReservationRefused extends Schema.TaggedError<ReservationRefused>()("ReservationRefused", {
  reason: Schema.Literals([...Rejection.literals, "RELEASED"]),
  variantIds: Schema.Array(VariantId)
}) {}

/** Prices and stock, for order alone. */
export class ProductRpc extends RpcGroup.make(
  /** Unknown variants are left out of the answer. */
  Rpc.make("QuoteVariants", { payload: { variantIds: Schema.Array(VariantId) }, success: Schema.Array(VariantQuote) }),
  /** All lines or none; the same order again is answered as before. */
  Rpc.make("ReserveStock", { payload: { orderId: OrderId, lines: Schema.Array(ReservationLine) }, error: ReservationRefused }),
  /** Gives back what the order holds and refuses it any later reservation. */
  Rpc.make("ReleaseReservation", { payload: { orderId: OrderId } })
).middleware(ServiceOnly).prefix("Product.") {}
