import { type Cause, Effect, Schedule } from "effect"

/** 100 ms, doubled up to 5 s. */
const backoff = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")]).pipe(Schedule.jittered)

/**
 * Tries until it succeeds: what is away comes back, and nothing may be given up meanwhile; a loop does not end because of
 * a defect either. Of a row of failures the first one is a warning.
 */
export const persist = (what: string) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, never, R> =>
  Effect.suspend(() => {
    let failures = 0
    const note = (cause: Cause.Cause<E>) =>
      failures++ === 0 ? Effect.logWarning(`${what} has to wait`, cause) : Effect.logDebug(`${what} still has to wait`, cause)
    return effect.pipe(
      Effect.sandbox,
      Effect.tapError(note),
      Effect.retry(backoff),
      Effect.orDie,
      Effect.tap(() => failures === 0 ? Effect.void : Effect.logInfo(`${what} goes on after ${failures} failures`))
    )
  })
