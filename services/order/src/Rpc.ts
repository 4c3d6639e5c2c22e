import { Effect } from "effect"
import { OrderRpc, PayableOrder } from "@marketplace/schema/Order/Rpc"
import { Orders } from "./Orders.ts"

/** Procedures for the other services. */
export const Rpc = OrderRpc.toLayer(Effect.gen(function*() {
  const orders = yield* Orders
  return OrderRpc.of({
    "Order.PayableOrder": Effect.fn(function*({ memberId, orderId }) {
      const { paymentDeadline, status, total } = yield* orders.payable(orderId, memberId)
      return new PayableOrder({ orderId, memberId, amount: total, payable: status === "AWAITING_PAYMENT", paymentDeadline })
    }),
    "Order.OrderStanding": ({ orderId }) =>
      orders.standing(orderId).pipe(Effect.catchTag("OrderNotFound", () => Effect.succeed("UNKNOWN" as const)))
  })
}))
