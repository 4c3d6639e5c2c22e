import { Context, Effect, Layer, Result, Schema } from "effect"
import { SqlClient } from "effect/sql"
import type { Money } from "@marketplace/domain/Money"
import type { OrderId } from "@marketplace/domain/Order/Ids"
import type { OrderNotFound } from "@marketplace/domain/Order/Order"
import { PaymentId } from "@marketplace/domain/Payment/Ids"
import {
  type AmountMismatch, confirm, create, type Payment, type PaymentMethod, PaymentNotFound, type PaymentNotPossible, PaymentStatus, seal, type SealResult
} from "@marketplace/domain/Payment/Payment"
import type { Refund } from "@marketplace/domain/Payment/Refund"
import type { MemberId } from "@marketplace/domain/User/Ids"
import type { IdempotencyKeyReused, RequestInFlight } from "@marketplace/schema/Problems"
import { type CalleeUnavailable, OrderClient } from "@marketplace/service/Clients"
import { Commands } from "@marketplace/service/Commands"
import { type Answer, Idempotency, type IdempotentRequest } from "@marketplace/service/Idempotency"
import { PaymentGateway } from "./PaymentGateway.ts"
import { type Attempts, PaymentRepository } from "./Payments/Repository.ts"
import { Settlement } from "./Payments/Settlement.ts"
import { paymentView } from "./Views.ts"

/** The order does not wait for a payment. */
export class NotAwaitingPayment extends Schema.TaggedError<NotAwaitingPayment>()("NotAwaitingPayment", {}) {}

/** The payment is not READY. */
export class CannotConfirm extends Schema.TaggedError<CannotConfirm>()("CannotConfirm", { status: PaymentStatus.State }) {}

/** The provider was surely not reached; the payment is READY as before. */
export class ProviderUnavailable extends Schema.TaggedError<ProviderUnavailable>()("ProviderUnavailable", {}) {}

/** How a command ended: with a payment, or with what was answered the first time. */
export type Done = { readonly _tag: "Done"; readonly payment: Payment } | { readonly _tag: "Answered"; readonly answer: Answer }

type Repeated = IdempotencyKeyReused | RequestInFlight

/** Payments of orders at the provider. */
export class Payments extends Context.Service<Payments, {
  readonly create: (command: {
    readonly memberId: MemberId
    readonly orderId: OrderId
    readonly method: PaymentMethod
    readonly request: IdempotentRequest
  }) => Effect.Effect<Done, OrderNotFound | NotAwaitingPayment | PaymentNotPossible | CalleeUnavailable | Repeated>
  /** Captures what the buyer approved. An outcome in doubt is UNKNOWN and found out without the buyer. */
  readonly confirm: (command: {
    readonly memberId: MemberId
    readonly paymentId: PaymentId
    readonly providerPaymentKey: string
    readonly amount: Money
    readonly request: IdempotentRequest
  }) => Effect.Effect<Done, PaymentNotFound | CannotConfirm | AmountMismatch | PaymentNotPossible | ProviderUnavailable | Repeated>
  /** Somebody else's payment does not exist for the member. */
  readonly get: (id: PaymentId, member: MemberId) => Effect.Effect<Payment, PaymentNotFound>
  /** Oldest first. */
  readonly list: (order: OrderId, member: MemberId) => Effect.Effect<ReadonlyArray<Payment>>
  readonly refunds: (order: OrderId, member: MemberId) => Effect.Effect<ReadonlyArray<Refund>>
  readonly seal: (order: OrderId) => Effect.Effect<SealResult>
}>()("@marketplace/payment/Payments") {
  static readonly layer = Layer.effect(Payments, Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const repository = yield* PaymentRepository
    const orders = yield* OrderClient
    const gateway = yield* PaymentGateway
    const settlement = yield* Settlement
    const idempotency = yield* Idempotency
    const commands = yield* Commands

    const get = Effect.fn("Payments.get")((id: PaymentId, member: MemberId) =>
      Effect.filterOrFail(repository.find(id), ({ memberId }) => memberId === member, () => new PaymentNotFound({ paymentId: id }))
    )

    const createNow = Effect.fn("Payments.create")(function*({ memberId, method, orderId, request }: {
      readonly memberId: MemberId
      readonly orderId: OrderId
      readonly method: PaymentMethod
      readonly request: IdempotentRequest
    }) {
      const known = yield* idempotency.lookup(request)
      if (known?._tag === "Answered") return { _tag: "Answered" as const, answer: known.answer }
      const { amount, payable } = yield* orders.PayableOrder({ orderId, memberId })
      if (!payable) return yield* new NotAwaitingPayment()
      return yield* Effect.gen(function*() {
        const begun = yield* idempotency.begin(request)
        if (begun._tag === "Answered") return { _tag: "Answered" as const, answer: begun.answer }
        const id = PaymentId.make(begun.resourceId)
        const payment = yield* repository.update(orderId, (attempts) =>
          Result.map(create(attempts.order, active(attempts), { id, orderId, memberId, amount, method, provider: gateway.name }), (change) => ({
            change,
            answer: change.payments.find((changed) => changed.id === id)
          })))
        if (payment === undefined) return yield* Effect.die(new Error("the rule opened no payment"))
        yield* idempotency.complete(id, paymentView(payment, gateway.checkoutUrl))
        return { _tag: "Done" as const, payment }
      }).pipe(sql.withTransaction, Effect.catchTag("SqlError", Effect.die))
    })

    const confirmNow = Effect.fn("Payments.confirm")(function*({ amount, memberId, paymentId, providerPaymentKey, request }: {
      readonly memberId: MemberId
      readonly paymentId: PaymentId
      readonly providerPaymentKey: string
      readonly amount: Money
      readonly request: IdempotentRequest
    }) {
      const payment = yield* get(paymentId, memberId)
      const begun = yield* Effect.gen(function*() {
        const begun = yield* idempotency.begin({ ...request, resourceId: paymentId })
        if (begun._tag !== "Started") return begun
        yield* repository.update(payment.orderId, (attempts) => {
          const current = attempts.payments.find(({ id }) => id === paymentId) ?? payment
          return Result.map(confirm(attempts.order, current, providerPaymentKey, amount), (change) => ({ change, answer: undefined }))
        })
        return begun
      }).pipe(
        sql.withTransaction,
        Effect.catchTags({
          SqlError: Effect.die,
          IllegalTransition: () =>
            Effect.flatMap(Effect.orDie(repository.find(paymentId)), (current) =>
              Effect.andThen(repository.hasten(current), Effect.fail(new CannotConfirm({ status: current.status }))))
        })
      )
      if (begun._tag === "Answered") return { _tag: "Answered" as const, answer: begun.answer }
      // resumed: the first attempt died after its commit, and the resolver finds out what became of it
      if (begun._tag === "Resumed") return { _tag: "Done" as const, payment: yield* Effect.orDie(repository.find(paymentId)) }
      const finding = yield* gateway.confirm({ paymentId, providerPaymentKey, amount })
      const settled = yield* settlement.take(payment, finding)
      if (settled.status === "READY") {
        yield* idempotency.forget(request)
        return yield* new ProviderUnavailable()
      }
      if (settled.status === "UNKNOWN") yield* idempotency.suspend(request)
      return { _tag: "Done" as const, payment: settled }
    })

    return Payments.of({
      create: (command) => commands.run(createNow(command)),
      confirm: (command) => commands.run(confirmNow(command)),
      get,
      list: repository.ofOrder,
      refunds: repository.refundsOf,
      seal: Effect.fn("Payments.seal")((order) =>
        repository.update(order, (attempts) => {
          const { change, result } = seal(attempts.order, active(attempts))
          return Result.succeed({ change, answer: result })
        }).pipe(sql.withTransaction, Effect.orDie)
      )
    })
  }))
}

const active = ({ order, payments }: Attempts) => payments.find(({ id }) => id === order.activeId)
