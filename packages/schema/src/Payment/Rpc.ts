import { Rpc, RpcGroup } from "effect/rpc"
import { OrderId } from "@marketplace/domain/Order/Ids"
import { SealResult } from "@marketplace/domain/Payment/Payment"
import { ServiceOnly } from "../Access.ts"

/** Payments, for order alone. */
export class PaymentRpc extends RpcGroup.make(
  /** A command: after SEALED no payment of this order can succeed any more, so it may expire or be cancelled. */
  Rpc.make("SealPayments", { payload: { orderId: OrderId }, success: SealResult })
).middleware(ServiceOnly).prefix("Payment.") {}
