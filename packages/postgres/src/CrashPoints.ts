import { Context, Effect } from "effect"

/** Where a process may die with one thing done and the next one not: between two commits, or a commit and a call. */
export const crashPoints = [
  /** The order is PLACING, its stock is not held. */
  "checkout.placed",
  /** The stock is held, the order does not know. */
  "checkout.reserved",
  /** The order is decided, its buyer does not know. */
  "checkout.decided",
  /** Payment has sealed an order whose time is over, the order has not expired. */
  "expiry.sealed",
  /** The payment is there, its buyer does not know. */
  "payment.created",
  /** The payment is CONFIRMING, the provider was not called. */
  "payment.claimed",
  /** The provider has answered, nothing of it is stored. */
  "payment.answered",
  /** The outcome is stored, the buyer does not know. */
  "payment.settled",
  /** The provider was asked about an open outcome, its answer is not stored. */
  "resolver.answered",
  /** What was found out is stored, the other open outcomes are not asked for yet. */
  "resolver.settled",
  /** The refund is SUBMITTING, the provider was not called. */
  "refund.submitted",
  /** The provider has answered to a refund, nothing of it is stored. */
  "refund.answered",
  /** What the provider answered is stored, but not when to ask again. */
  "refund.settled",
  /** Events are with the transport, the outbox does not know. */
  "relay.published",
  /** Events are marked as published. */
  "relay.marked",
  /** An event has taken effect, nothing of it is committed. */
  "consumer.applied",
  /** The effect is committed, the next event has not begun. */
  "consumer.committed"
] as const

export type CrashPoint = typeof crashPoints[number]

/** What happens to a process that passes a crash point: nothing, unless a fault run wants it to die there. */
export const CrashPoints = Context.Reference<(point: CrashPoint) => Effect.Effect<void>>("@marketplace/postgres/CrashPoints", {
  defaultValue: () => () => Effect.void
})

/** Marks the place; see `crashPoints` for what is done by then and what is not. */
export const crashPoint = (point: CrashPoint): Effect.Effect<void> => Effect.flatMap(CrashPoints, (pass) => pass(point))
