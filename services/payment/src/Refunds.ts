import { Duration, Effect, Layer, Result } from "effect"
import { fail, lose, type Refund, RefundStatus, submit, succeed } from "@marketplace/domain/Payment/Refund"
import { crashPoint } from "@marketplace/postgres/CrashPoints"
import * as Sweeper from "@marketplace/service/Sweeper"
import { PaymentGateway } from "./PaymentGateway.ts"
import { PaymentRepository } from "./Payments/Repository.ts"
import { Settings } from "./Settings.ts"

/** Longer than the provider may take to answer one refund. */
const lease = Duration.seconds(15)

/** Seconds until a refund that is not through is tried again. */
const retryAfter = (looks: number) => Math.min(2 ** looks, 30)

/**
 * Gives money back at the provider. A refund of doubtful outcome is asked for again under the same id, which finds out and
 * pays at most once.
 */
export const Refunds = Layer.unwrap(Effect.gen(function*() {
  const repository = yield* PaymentRepository
  const gateway = yield* PaymentGateway
  const { sweepInterval } = yield* Settings

  const work = Effect.fn("Refunds.work")(function*(due: Refund, looks: number) {
    const { amount, id, paymentId, reason } = due
    const { providerPaymentKey } = yield* repository.find(paymentId)
    if (providerPaymentKey === null) return yield* Effect.die(new Error(`payment ${paymentId} was captured without a provider key`))
    // a lease that ran out leaves SUBMITTING behind: its outcome is in doubt
    const refund = due.status === "SUBMITTING"
      ? yield* repository.updateRefund(due, lose)
      : Result.isSuccess(RefundStatus.next(due.status, "submit"))
      ? yield* repository.updateRefund(due, submit)
      : due
    yield* crashPoint("refund.submitted")
    const finding = yield* gateway.refund({ refundId: id, providerPaymentKey, amount, reason })
    yield* crashPoint("refund.answered")
    switch (finding._tag) {
      case "Refunded":
        return yield* repository.updateRefund(refund, succeed)
      case "Refused":
        yield* Effect.logError("The provider refused a refund").pipe(Effect.annotateLogs({ reason: finding.reason }))
        yield* repository.updateRefund(refund, fail)
        break
      case "NotSent":
      case "Unclear":
        if (refund.status === "SUBMITTING") yield* repository.updateRefund(refund, lose)
    }
    yield* crashPoint("refund.settled")
    yield* repository.postponeRefund(id, retryAfter(looks))
  })

  return Sweeper.layer({
    name: "payment.refunds",
    every: sweepInterval,
    batch: 20,
    sweep: Sweeper.each("refund", (limit) => repository.claimDueRefunds(limit, lease), {
      idOf: ({ refund }) => refund.id,
      work: ({ looks, refund }) => work(refund, looks)
    })
  })
}))
