import { Duration, Effect, Layer } from "effect"
import { escalate, type Finding, type Payment } from "@marketplace/domain/Payment/Payment"
import { crashPoint } from "@marketplace/postgres/CrashPoints"
import * as Sweeper from "@marketplace/service/Sweeper"
import { findingOf, PaymentGateway } from "./PaymentGateway.ts"
import { type Due, PaymentRepository } from "./Payments/Repository.ts"
import { nextLook } from "./Payments/Schedule.ts"
import { Settlement } from "./Payments/Settlement.ts"
import { Settings } from "./Settings.ts"

/** Longer than a look at the provider takes. */
const lease = Duration.seconds(30)

/**
 * Finds out what became of attempts whose outcome is open, and whether a success turned up for those that were given up.
 * That the provider does not know an attempt proves nothing: the confirmation is repeated with the same key.
 */
export const Resolver = Layer.unwrap(Effect.gen(function*() {
  const repository = yield* PaymentRepository
  const gateway = yield* PaymentGateway
  const settlement = yield* Settlement
  const { reviewAfter, sweepInterval } = yield* Settings

  const ask = Effect.fn("Resolver.ask")(function*(payment: Payment) {
    const state = yield* gateway.find(payment.id)
    const open = payment.status === "UNKNOWN" && (state._tag === "NotFound" || state._tag === "Pending")
    const finding: Finding = open && payment.providerPaymentKey !== null
      ? yield* gateway.confirm({ paymentId: payment.id, providerPaymentKey: payment.providerPaymentKey, amount: payment.amount })
      : yield* findingOf(payment, state)
    return { finding, answered: state._tag !== "Unreachable" }
  })

  const look = Effect.fn("Resolver.look")(function*({ age, looks, payment: due }: Due) {
    // nobody holds the lease of a confirmation any more: whoever held it died between its two commits
    const payment = due.status === "CONFIRMING" ? yield* settlement.take(due, { _tag: "Unclear" }) : due
    const { answered, finding } = yield* ask(payment)
    yield* crashPoint("resolver.answered")
    const settled = finding._tag === "Unclear" || finding._tag === "NotSent" ? payment : yield* settlement.take(payment, finding)
    yield* crashPoint("resolver.settled")
    if (answered && settled.status !== payment.status) yield* repository.hastenUnknown
    if (settled.status !== payment.status) return
    if (payment.status === "UNKNOWN" && age > Duration.toSeconds(reviewAfter)) yield* settlement.change(payment, escalate)
    else yield* repository.postpone(payment, nextLook(payment.status, { looks, age, answered }))
  })

  return Sweeper.layer({
    name: "payment.open-outcomes",
    every: sweepInterval,
    batch: 50,
    sweep: Sweeper.each("payment", (limit) => repository.claimDue(limit, lease), { idOf: ({ payment }) => payment.id, work: look })
  })
}))
