import { Context, Effect, Layer, Result } from "effect"
import { SecureRandom } from "effect/crypto"
import { PaymentId, RefundId } from "@marketplace/domain/Payment/Ids"
import { type Finding, type OrderPayments, type Payment, type PaymentChange, settle } from "@marketplace/domain/Payment/Payment"
import * as Write from "@marketplace/postgres/Write"
import { PaymentsGroup } from "@marketplace/schema/Payment/HttpApi"
import { Idempotency, operation } from "@marketplace/service/Idempotency"
import { PaymentGateway } from "../PaymentGateway.ts"
import { confirmationAnswer } from "../Views.ts"
import { type Attempts, PaymentRepository } from "./Repository.ts"

/** `POST /payments/{id}/confirmation`, which takes an idempotency key. */
export const confirming = operation(PaymentsGroup.endpoints.confirm, PaymentId)

type Rule = (order: OrderPayments, payment: Payment) => PaymentChange

/** The one place where what is known at the provider becomes what is known here: confirmation and resolver both end here. */
export class Settlement extends Context.Service<Settlement, {
  /**
   * State, ledger, refund, events and the answer of the confirmation in one write; of two findings the later one is a no-op.
   * `known` saves reading the attempts.
   */
  readonly take: (payment: Payment, finding: Finding, known?: Attempts) => Effect.Effect<Payment>
  /** Changes one attempt by another rule. */
  readonly change: (payment: Payment, rule: Rule, known?: Attempts) => Effect.Effect<Payment>
}>()("@marketplace/payment/Settlement") {
  static readonly layer = Layer.effect(Settlement, Effect.gen(function*() {
    const repository = yield* PaymentRepository
    const idempotency = yield* Idempotency
    const gateway = yield* PaymentGateway
    const random = yield* SecureRandom.SecureRandom

    const answered = (settled: Payment) => {
      const answer = confirmationAnswer(settled, gateway.checkoutUrl)
      if (answer !== undefined) return idempotency.complete(confirming, settled.id, answer)
      // never sent: the same key may confirm anew
      return Effect.succeed(settled.status === "READY" ? idempotency.forget(confirming, settled.id) : Write.nothing)
    }

    const change = Effect.fn("Settlement.change")((payment: Payment, rule: Rule, known?: Attempts) =>
      repository.update(known ?? payment.orderId, ({ order, payments }) => {
        const current = payments.find(({ id }) => id === payment.id) ?? payment
        const changed = rule(order, current)
        return Result.succeed({ change: changed, answer: changed.payments.find(({ id }) => id === payment.id) ?? current })
      }, answered).pipe(Effect.map(({ answer }) => answer), Effect.orDie)
    )

    return Settlement.of({
      change,
      take: Effect.fn("Settlement.take")(function*(payment, finding, known) {
        const refundId = RefundId.make(yield* random.uuidV7())
        return yield* change(payment, (order, current) => settle(order, current, finding, refundId), known)
      })
    })
  }))
}
