import { Context, Duration, Effect, Latch, Layer, type Scope } from "effect"
import { monotonicMillis } from "./MonotonicMillis.ts"

/** What wakes comes in bursts: the first is answered at once, the rest together. */
export const spacing = Duration.millis(50)

/** Waits for wake-ups of one topic. One that comes between two waits is not lost: the next wait returns at once. */
export interface Listener {
  /** Returns when woken, or after `atMost`; under load not more often than every `spacing`, so that a round finds more to do. */
  readonly wait: (atMost: Duration.Input) => Effect.Effect<void>
  /** Wakes only this listener. */
  readonly wake: Effect.Effect<void>
}

/**
 * Tells loops of this process that there is something to do, so that an event is on its way right after its commit. Only
 * a hint: whoever listens also looks by itself about once a second. One for the whole process, as layers are shared.
 */
export class Wakeups extends Context.Service<Wakeups, {
  readonly wake: (topic: string) => Effect.Effect<void>
  readonly listen: (topic: string) => Effect.Effect<Listener, never, Scope.Scope>
}>()("@marketplace/events/Wakeups") {
  static readonly layer = Layer.sync(Wakeups, () => {
    const latches = new Map<string, Set<Latch.Latch>>()
    const of = (topic: string) => {
      const known = latches.get(topic) ?? new Set()
      latches.set(topic, known)
      return known
    }
    return Wakeups.of({
      wake: (topic) => Effect.forEach(of(topic), (latch) => latch.open, { discard: true }),
      listen: (topic) =>
        Effect.map(
          Effect.acquireRelease(
            Effect.tap(Latch.make(), (latch) => Effect.sync(() => of(topic).add(latch))),
            (latch) => Effect.sync(() => of(topic).delete(latch))
          ),
          (latch): Listener => {
            let returned = -Infinity
            return {
              wait: Effect.fnUntraced(function*(atMost) {
                yield* Effect.timeoutOption(latch.await, atMost)
                const early = returned + Duration.toMillis(spacing) - (yield* monotonicMillis)
                if (early > 0) yield* Effect.sleep(early)
                yield* latch.close
                returned = yield* monotonicMillis
              }),
              wake: Effect.asVoid(latch.open)
            }
          }
        )
    })
  })
}
