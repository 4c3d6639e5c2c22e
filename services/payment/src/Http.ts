import { Effect, Layer } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import type { Payment } from "@marketplace/domain/Payment/Payment"
import { Member } from "@marketplace/schema/Access"
import { OrderUnknown } from "@marketplace/schema/Order/HttpApi"
import { NotConfirmable, NotPayable, PaymentApi, PaymentDeclined, PaymentUnknown, PaymentView, WrongAmount } from "@marketplace/schema/Payment/HttpApi"
import { Unavailable } from "@marketplace/schema/Problems"
import * as Idempotency from "@marketplace/service/Idempotency"
import { PaymentGateway } from "./PaymentGateway.ts"
import { Payments } from "./Payments.ts"
import { confirmationAnswer, paymentView, refundView } from "./Views.ts"

/** Decoding and guarding are done; call the service, show what the contract shows, say errors in its words. */
const payments = HttpApiBuilder.group(PaymentApi, "payments", Effect.fn(function*(handlers) {
  const payments = yield* Payments
  const { checkoutUrl } = yield* PaymentGateway
  const view = (payment: Payment) => paymentView(payment, checkoutUrl)
  const replay = Idempotency.replay(PaymentView, PaymentDeclined)

  return handlers.handleAll({
    create: Effect.fn(function*({ headers, payload }) {
      const { memberId } = yield* Member
      const request = yield* Idempotency.request("payments.create", memberId, headers["idempotency-key"], payload)
      const done = yield* payments.create({ ...payload, memberId, request })
      return done._tag === "Answered" ? yield* Effect.catchTag(replay(done.answer), "PaymentDeclined", Effect.die) : view(done.payment)
    }, Effect.catchTags({
      OrderNotFound: ({ orderId }) => new OrderUnknown({ orderId }),
      NotAwaitingPayment: () => new NotPayable({ reason: "NOT_AWAITING_PAYMENT" }),
      PaymentNotPossible: ({ reason }) => new NotPayable({ reason }),
      CalleeUnavailable: ({ retryAfterSeconds }) => new Unavailable({ retryAfterSeconds })
    })),
    confirm: Effect.fn(function*({ headers, params, payload }) {
      const { memberId } = yield* Member
      const request = yield* Idempotency.request("payments.confirm", memberId, headers["idempotency-key"], { ...params, ...payload })
      const done = yield* payments.confirm({ ...payload, paymentId: params.id, memberId, request })
      if (done._tag === "Answered") return yield* replay(done.answer)
      const answer = confirmationAnswer(done.payment, checkoutUrl) ?? view(done.payment)
      return answer instanceof PaymentDeclined ? yield* answer : answer
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
