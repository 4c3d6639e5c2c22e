import { Schema } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"
import { Money } from "@marketplace/domain/Money"
import { OrderId } from "@marketplace/domain/Order/Ids"
import { OrderNotFound, OrderStatus } from "@marketplace/domain/Order/Order"
import { MemberId } from "@marketplace/domain/User/Ids"
import { ServiceOnly } from "../Access.ts"

/** What is to be paid, by whom, and whether it may be paid now. */
export class PayableOrder extends Schema.Class<PayableOrder>("PayableOrder")({
  orderId: OrderId,
  memberId: MemberId,
  amount: Money,
  payable: Schema.Boolean,
  paymentDeadline: Schema.DateTimeUtcFromMillis
}) {}

/** UNKNOWN: the order never existed here; what is held for it can go. */
export const Standing = Schema.Literals([...OrderStatus.states, "UNKNOWN"])

/** Orders, for payment and product. */
export class OrderRpc extends RpcGroup.make(
  /** Somebody else's order does not exist for the member. */
  Rpc.make("PayableOrder", { payload: { orderId: OrderId, memberId: MemberId }, success: PayableOrder, error: OrderNotFound }),
  Rpc.make("OrderStanding", { payload: { orderId: OrderId }, success: Standing })
).middleware(ServiceOnly).prefix("Order.") {}
