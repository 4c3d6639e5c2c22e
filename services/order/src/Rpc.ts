import { Effect } from "effect"
import { OrderRpc, PayableOrder } from "@marketplace/schema/Order/Rpc"
import { Orders } from "./Orders.ts"

/** Procedures for the other services. */
export const Rpc = OrderRpc.toLayer(Effect.gen(function*() {
  const orders = yield* Orders
  return OrderRpc.of({
    "Order.PayableOrder": Effect.fn(function*({ memberId, orderId }) {
      const { paymentDeadline, status, total } = yield* orders.get(orderId, memberId)
      return new PayableOrder({ orderId, memberId, amount: total, payable: status === "AWAITING_PAYMENT", paymentDeadline })
    }),
    "Order.OrderStanding": ({ orderId }) =>
      orders.find(orderId).pipe(
        Effect.map(({ status }) => status),
        Effect.catchTag("OrderNotFound", () => Effect.succeed("UNKNOWN" as const))
      )
  })
}))
