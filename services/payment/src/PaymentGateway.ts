import { Context, Effect } from "effect"
import { equals, type Money } from "@marketplace/domain/Money"
import type { PaymentId, RefundId } from "@marketplace/domain/Payment/Ids"
import type { Finding, Payment } from "@marketplace/domain/Payment/Payment"

/** What the provider says about a payment now. */
export type ProviderState =
  /** The buyer's money was taken; also when it was given back since. `amount` is what was taken, whatever we asked for. */
  | { readonly _tag: "Captured"; readonly providerPaymentKey: string; readonly amount: Money }
  /** It will not be taken any more: refused, or the time to confirm is over. */
  | { readonly _tag: "Declined"; readonly reason: string }
  /** Approved or being approved, nothing taken: a confirmation may still succeed. */
  | { readonly _tag: "Pending" }
  /** The provider does not know it, or not yet: never a proof that nothing was or will be taken. */
  | { readonly _tag: "NotFound" }
  /** No answer, or none that can be understood. */
  | { readonly _tag: "Unreachable" }

/** What is known of a refund after asking the provider for it. */
export type RefundFinding =
  | { readonly _tag: "Refunded" }
  /** Nothing was given back, and nothing will be unless it is asked for again. `reason` is the provider's code. */
  | { readonly _tag: "Refused"; readonly reason: string }
  /** Surely without effect: the provider was not reached. */
  | { readonly _tag: "NotSent" }
  /** Asking again with the same `refundId` finds out and refunds at most once. */
  | { readonly _tag: "Unclear" }

/**
 * A payment provider. Nothing here fails: each answer says what is known, and whatever leaves room for doubt is `Unclear`.
 * Every call ends by its own deadline, also when its caller cannot be interrupted. Repeating a call with the same ids moves
 * money at most once.
 */
export class PaymentGateway extends Context.Service<PaymentGateway, {
  /** As stored with each payment. */
  readonly name: string
  /** Where the buyer's browser goes to approve. */
  readonly checkoutUrl: (payment: Pick<Payment, "id" | "amount" | "method">) => string
  /** Takes the money the buyer has approved. */
  readonly confirm: (request: {
    readonly paymentId: PaymentId
    readonly providerPaymentKey: string
    readonly amount: Money
  }) => Effect.Effect<Finding>
  /** `findingOf` says what the answer proves. */
  readonly find: (paymentId: PaymentId) => Effect.Effect<ProviderState>
  /** Gives back all of what was taken or a part of it. */
  readonly refund: (request: {
    readonly refundId: RefundId
    readonly providerPaymentKey: string
    readonly amount: Money
    /** For the provider's records, at most 200 characters. */
    readonly reason: string
  }) => Effect.Effect<RefundFinding>
}>()("@marketplace/payment/PaymentGateway") {}

/**
 * What a provider's state proves about a payment over `amount`. Another amount was taken: a person has to look at it, so it
 * is logged as an error and proves nothing.
 */
export const findingOf = (payment: Pick<Payment, "id" | "amount">, state: ProviderState): Effect.Effect<Finding> => {
  switch (state._tag) {
    case "Captured":
      return equals(state.amount, payment.amount)
        ? Effect.succeed({ _tag: "Captured", providerPaymentKey: state.providerPaymentKey })
        : Effect.logError("The provider took another amount than the payment's").pipe(
          Effect.annotateLogs({ paymentId: payment.id, expected: payment.amount, captured: state.amount }),
          Effect.as({ _tag: "Unclear" })
        )
    case "Declined":
      return Effect.succeed(state)
    case "Pending":
    case "NotFound":
    case "Unreachable":
      return Effect.succeed({ _tag: "Unclear" })
  }
}
