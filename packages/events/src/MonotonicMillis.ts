import { Clock, Effect } from "effect"

/** Milliseconds that no correction of the wall clock moves. */
export const monotonicMillis = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos / 1_000_000n))
