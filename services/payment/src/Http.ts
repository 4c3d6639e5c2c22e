import { Effect, Layer } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import type { PaymentId } from "@marketplace/domain/Payment/Ids"
import type { Payment } from "@marketplace/domain/Payment/Payment"
import { Member } from "@marketplace/schema/Access"
import { OrderUnknown } from "@marketplace/schema/Order/HttpApi"
import { NotConfirmable, NotPayable, PaymentApi, PaymentDeclined, PaymentUnknown, WrongAmount } from "@marketplace/schema/Payment/HttpApi"
import { Unavailable } from "@marketplace/schema/Problems"
import { type Attempt, Idempotency } from "@marketplace/service/Idempotency"
import { PaymentGateway } from "./PaymentGateway.ts"
import { creating, Payments } from "./Payments.ts"
import { confirming } from "./Payments/Settlement.ts"
import { confirmationAnswer, paymentView, refundView } from "./Views.ts"

/** Decoding and guarding are done; call the service, show what the contract shows, say errors in its words. */
const payments = HttpApiBuilder.group(PaymentApi, "payments", Effect.fn(function*(handlers) {
  const payments = yield* Payments
  const { checkoutUrl } = yield* PaymentGateway
  const view = (payment: Payment) => paymentView(payment, checkoutUrl)
  const idempotency = yield* Idempotency

  return handlers.handleAll({
    create: Effect.fn(function*({ headers, payload }) {
      const { memberId } = yield* Member
      return yield* idempotency.attempt(creating, { caller: memberId, key: headers["idempotency-key"] }, (attempt) =>
        Effect.map(payments.create(attempt, { ...payload, memberId }), view))
    }, Effect.catchTags({
      OrderNotFound: ({ orderId }) => new OrderUnknown({ orderId }),
      NotAwaitingPayment: () => new NotPayable({ reason: "NOT_AWAITING_PAYMENT" }),
      PaymentNotPossible: ({ reason }) => new NotPayable({ reason }),
      CalleeUnavailable: ({ retryAfterSeconds }) => new Unavailable({ retryAfterSeconds })
    })),
    confirm: Effect.fn(function*({ headers, params, payload }) {
      const { memberId } = yield* Member
      const confirm = Effect.fnUntraced(function*(attempt: Attempt<PaymentId>) {
        const payment = yield* payments.confirm(attempt, { ...payload, memberId })
        const answer = confirmationAnswer(payment, checkoutUrl) ?? view(payment)
        return answer instanceof PaymentDeclined ? yield* answer : answer
      })
      return yield* idempotency.attempt(confirming, { caller: memberId, key: headers["idempotency-key"], resourceId: params.id }, confirm)
    }, Effect.catchTags({
      PaymentNotFound: ({ paymentId }) => new PaymentUnknown({ paymentId }),
      CannotConfirm: ({ status }) => new NotConfirmable({ paymentStatus: status }),
      AmountMismatch: ({ actual, expected }) => new WrongAmount({ actual, expected }),
      PaymentNotPossible: ({ reason }) => new NotPayable({ reason }),
      ProviderUnavailable: () => new Unavailable({ retryAfterSeconds: 5 })
    })),
    get: Effect.fn(function*({ params }) {
      const { memberId } = yield* Member
      return view(yield* payments.get(params.id, memberId))
    }, Effect.catchTag("PaymentNotFound", ({ paymentId }) => new PaymentUnknown({ paymentId }))),
    list: Effect.fn(function*({ query }) {
      const { memberId } = yield* Member
      return (yield* payments.list(query.order, memberId)).map(view)
    })
  })
}))

const refunds = HttpApiBuilder.group(PaymentApi, "refunds", Effect.fn(function*(handlers) {
  const payments = yield* Payments
  return handlers.handleAll({
    list: Effect.fn(function*({ query }) {
      const { memberId } = yield* Member
      return (yield* payments.refunds(query.order, memberId)).map(refundView)
    })
  })
}))

export const Http = Layer.mergeAll(payments, refunds)
