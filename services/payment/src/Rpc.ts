import { Effect } from "effect"
import { PaymentRpc } from "@marketplace/schema/Payment/Rpc"
import { Payments } from "./Payments.ts"

/** Procedures for the other services. */
export const Rpc = PaymentRpc.toLayer(Effect.gen(function*() {
  const payments = yield* Payments
  return PaymentRpc.of({ "Payment.SealPayments": ({ orderId }) => payments.seal(orderId) })
}))
