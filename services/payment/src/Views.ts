import type { Payment } from "@marketplace/domain/Payment/Payment"
import type { Refund } from "@marketplace/domain/Payment/Refund"
import { PaymentDeclined, PaymentView, RefundView } from "@marketplace/schema/Payment/HttpApi"

/** A payment as its buyer sees it. */
export const paymentView = (payment: Payment, checkoutUrl: (payment: Payment) => string): PaymentView => {
  const { amount, failure, id, method, orderId, provider, status } = payment
  return new PaymentView({ id, orderId, amount, method, provider, status, failure, checkoutUrl: status === "READY" ? checkoutUrl(payment) : null })
}

export const refundView = ({ amount, id, orderId, paymentId, reason, status }: Refund): RefundView =>
  new RefundView({ id, paymentId, orderId, amount, reason, status })

/** How a confirmation is answered for good; nothing while the outcome is open. */
export const confirmationAnswer = (payment: Payment, checkoutUrl: (payment: Payment) => string): PaymentView | PaymentDeclined | undefined => {
  switch (payment.status) {
    case "PAID":
      return paymentView(payment, checkoutUrl)
    case "FAILED":
      return new PaymentDeclined({ paymentId: payment.id, reason: payment.failure ?? "declined" })
    default:
      return undefined
  }
}
