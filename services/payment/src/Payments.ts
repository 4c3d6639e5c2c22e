import { Context, Effect, Layer, Result, Schema } from "effect"
import type { Money } from "@marketplace/domain/Money"
import type { OrderId } from "@marketplace/domain/Order/Ids"
import type { OrderNotFound } from "@marketplace/domain/Order/Order"
import { PaymentId } from "@marketplace/domain/Payment/Ids"
import {
  type AmountMismatch, confirm, create, type Payment, type PaymentMethod, PaymentNotFound, type PaymentNotPossible, PaymentStatus, seal, type SealResult
} from "@marketplace/domain/Payment/Payment"
import type { Refund } from "@marketplace/domain/Payment/Refund"
import type { MemberId } from "@marketplace/domain/User/Ids"
import { crashPoint } from "@marketplace/postgres/CrashPoints"
import { PaymentsGroup } from "@marketplace/schema/Payment/HttpApi"
import type { RequestInFlight } from "@marketplace/schema/Problems"
import { type CalleeUnavailable, OrderClient } from "@marketplace/service/Clients"
import { type Attempt, operation } from "@marketplace/service/Idempotency"
import { PaymentGateway } from "./PaymentGateway.ts"
import { type Attempts, PaymentRepository, unpaid } from "./Payments/Repository.ts"
import { Settlement } from "./Payments/Settlement.ts"
import { paymentView } from "./Views.ts"

/** The order does not wait for a payment. */
export class NotAwaitingPayment extends Schema.TaggedError<NotAwaitingPayment>()("NotAwaitingPayment", {}) {}

/** The payment is not READY. */
export class CannotConfirm extends Schema.TaggedError<CannotConfirm>()("CannotConfirm", { status: PaymentStatus.State }) {}

/** The provider was surely not reached; the payment is READY as before. */
export class ProviderUnavailable extends Schema.TaggedError<ProviderUnavailable>()("ProviderUnavailable", {}) {}

/** `POST /payments`, which takes an idempotency key. */
export const creating = operation(PaymentsGroup.endpoints.create, PaymentId)

interface Creation {
  readonly memberId: MemberId
  readonly orderId: OrderId
  readonly method: PaymentMethod
}

interface Confirmation {
  readonly memberId: MemberId
  readonly providerPaymentKey: string
  readonly amount: Money
}

/** Payments of orders at the provider. */
export class Payments extends Context.Service<Payments, {
  readonly create: (attempt: Attempt<PaymentId>, creation: Creation) => Effect.Effect<
    Payment,
    OrderNotFound | NotAwaitingPayment | PaymentNotPossible | CalleeUnavailable | RequestInFlight
  >
  /** Captures what the buyer approved. An outcome in doubt is UNKNOWN and found out without the buyer. */
  readonly confirm: (attempt: Attempt<PaymentId>, confirmation: Confirmation) => Effect.Effect<
    Payment,
    PaymentNotFound | CannotConfirm | AmountMismatch | PaymentNotPossible | ProviderUnavailable | RequestInFlight
  >
  /** Somebody else's payment does not exist for the member. */
  readonly get: (id: PaymentId, member: MemberId) => Effect.Effect<Payment, PaymentNotFound>
  /** Oldest first. */
  readonly list: (order: OrderId, member: MemberId) => Effect.Effect<ReadonlyArray<Payment>>
  readonly refunds: (order: OrderId, member: MemberId) => Effect.Effect<ReadonlyArray<Refund>>
  readonly seal: (order: OrderId) => Effect.Effect<SealResult>
}>()("@marketplace/payment/Payments") {
  static readonly layer = Layer.effect(Payments, Effect.gen(function*() {
    const repository = yield* PaymentRepository
    const orders = yield* OrderClient
    const gateway = yield* PaymentGateway
    const settlement = yield* Settlement

    const get = Effect.fn("Payments.get")((id: PaymentId, member: MemberId) =>
      Effect.filterOrFail(repository.find(id), ({ memberId }) => memberId === member, () => new PaymentNotFound({ paymentId: id }))
    )

    const createOnce = Effect.fn("Payments.create")(function*(attempt: Attempt<PaymentId>, { memberId, method, orderId }: Creation) {
      const { amount, payable } = yield* orders.PayableOrder({ orderId, memberId })
      if (!payable) return yield* new NotAwaitingPayment()
      const id = attempt.resourceId
      const open = (attempts: Attempts) =>
        Result.map(create(attempts.order, active(attempts), { id, orderId, memberId, amount, method, provider: gateway.name }), ({ opened, ...change }) =>
          ({ change, answer: opened }))
      const begin = (payment: Payment) => Effect.map(creating.encode(paymentView(payment, gateway.checkoutUrl)), attempt.begin)
      // Most orders have none yet.
      const { answer } = yield* Effect.catchTag(repository.update(unpaid(orderId), open, begin), "SqlError", Effect.die)
      yield* crashPoint("payment.created")
      return answer
    })

    const claim = (attempt: Attempt<PaymentId>, known: Attempts, payment: Payment, { amount, providerPaymentKey }: Confirmation) =>
      repository.update(known, ({ order, payments }) => {
        const current = payments.find(({ id }) => id === payment.id) ?? payment
        return Result.map(confirm(order, current, providerPaymentKey, amount), (change) => ({ change, answer: undefined }))
      }, () => Effect.sync(() => attempt.begin())).pipe(Effect.catchTag("SqlError", Effect.die))

    const confirmOnce = Effect.fn("Payments.confirm")(function*(attempt: Attempt<PaymentId>, confirmation: Confirmation) {
      const known = yield* repository.attemptsOf(attempt.resourceId)
      const payment = known.payments.find(({ id, memberId }) => id === attempt.resourceId && memberId === confirmation.memberId)
      if (payment === undefined) return yield* new PaymentNotFound({ paymentId: attempt.resourceId })
      // the first attempt died after its commit: the resolver finds out what became of it
      if (attempt.resumed) return payment
      const { attempts } = yield* claim(attempt, known, payment, confirmation).pipe(
        // its buyer believes that an attempt succeeds that we gave up: whether it did is looked at now
        Effect.tapErrorTag(["IllegalTransition", "PaymentNotPossible"], () => repository.hasten(payment.id)),
        Effect.catchTag("IllegalTransition", () =>
          Effect.flatMap(get(payment.id, confirmation.memberId), ({ status }) => Effect.fail(new CannotConfirm({ status }))))
      )
      yield* crashPoint("payment.claimed")
      const { amount, providerPaymentKey } = confirmation
      const finding = yield* gateway.confirm({ paymentId: payment.id, providerPaymentKey, amount })
      yield* crashPoint("payment.answered")
      const settled = yield* settlement.take(payment, finding, attempts)
      yield* crashPoint("payment.settled")
      return settled.status === "READY" ? yield* new ProviderUnavailable() : settled
    })

    return Payments.of({
      create: createOnce,
      confirm: confirmOnce,
      get,
      list: repository.ofOrder,
      refunds: repository.refundsOf,
      seal: Effect.fn("Payments.seal")((order) =>
        repository.update(order, (attempts) => {
          const { change, result } = seal(attempts.order, active(attempts))
          return Result.succeed({ change, answer: result })
        }).pipe(Effect.map(({ answer }) => answer), Effect.orDie)
      )
    })
  }))
}

const active = ({ order, payments }: Attempts) => payments.find(({ id }) => id === order.activeId)
