import { Duration, Effect, Latch, Layer, Metric, Random, type Scope } from "effect"
import * as Metrics from "@marketplace/telemetry/Metrics"
import { Health } from "./Health.ts"

export interface Options<E, R> {
  /** Seen in health reports, metrics and spans: `order.waiting-orders`. */
  readonly name: string
  /** Between two sweeps, give or take a tenth, so that replicas do not march in step. */
  readonly every: Duration.Input
  /** How many items one sweep may take. */
  readonly batch: number
  /**
   * Deals with at most `limit` items and tells how many there were. Replicas sweep at the same time: it takes its items
   * with `for update skip locked` or a lease, by the database's clock.
   */
  readonly sweep: (limit: number) => Effect.Effect<number, E, R>
}

export interface Sweeper {
  /** Sweeps as soon as possible instead of at the next turn: for who has just made work. */
  readonly wake: Effect.Effect<void>
}

/**
 * Does overdue work until the scope is closed: again at once while there is a full batch, otherwise every so often. A
 * failed sweep, defects included, is logged and tried again after 1, 2, 4 … 30 s; nothing ends the loop. It is not healthy
 * without a success for three turns and a minute.
 */
export const make = Effect.fnUntraced(function*<E, R>(
  { batch, every, name, sweep }: Options<E, R>
): Effect.fn.Return<Sweeper, never, Health | Scope.Scope | R> {
  const health = yield* Health
  const pause = Duration.toMillis(Duration.fromInputUnsafe(every))
  const succeeded = yield* health.registerLoop(name, 3 * pause + 60_000)
  const woken = yield* Latch.make()
  const claimed = Metrics.sweeperClaimed(name)
  let failed = 0

  const sleep = (millis: number) => Effect.flatMap(Random.nextBetween(0.9, 1.1), (jitter) => Effect.sleep(millis * jitter))

  const turn = Effect.andThen(woken.close, sweep(batch)).pipe(
    Effect.withSpan(`sweep ${name}`, { root: true }),
    Effect.matchCauseEffect({
      onSuccess: Effect.fnUntraced(function*(swept) {
        failed = 0
        yield* Effect.all([succeeded, Metrics.loopSucceeded(name), Metric.update(claimed, swept)], { discard: true })
        if (swept < batch) yield* Effect.race(sleep(pause), woken.await)
      }),
      onFailure: Effect.fnUntraced(function*(cause) {
        yield* Effect.logWarning(`${name} failed and tries again`, cause)
        yield* sleep(Math.min(30_000, 1000 * 2 ** failed++))
      })
    })
  )
  yield* Effect.forkScoped(Effect.forever(turn))
  return { wake: woken.open }
})

/** A sweeper that nobody wakes. */
export const layer = <E, R>(options: Options<E, R>): Layer.Layer<never, never, Health | Exclude<R, Scope.Scope>> =>
  Layer.effectDiscard(make(options))

/**
 * Sweeps what a claim gives, four at a time. What cannot be dealt with now is logged, left to a later sweep when its lease is
 * over, and keeps nothing else waiting.
 *
 * @param noun what an item is called in the log: `order`
 */
export const each = <A, E, E2, R, R2>(noun: string, claim: (limit: number) => Effect.Effect<ReadonlyArray<A>, E, R>, options: {
  readonly idOf: (item: A) => string
  readonly work: (item: A) => Effect.Effect<unknown, E2, R2>
}) =>
(limit: number): Effect.Effect<number, E, R | R2> =>
  claim(limit).pipe(
    Effect.tap((items) =>
      Effect.forEach(items, (item) =>
        options.work(item).pipe(
          Effect.catchCause((cause) => Effect.logWarning(`the ${noun} stays as it is for now`, cause)),
          Effect.annotateLogs(`marketplace.${noun}.id`, options.idOf(item))
        ), { concurrency: 4, discard: true })
    ),
    Effect.map((items) => items.length)
  )
