import { Deferred, Effect } from "effect"
import { type Delivery, handedOver, type Settle, type Subscription } from "../EventTransport.ts"

interface Part {
  readonly deliveries: ReadonlyArray<Delivery>
  readonly done: Deferred.Deferred<boolean>
}

export interface Options {
  readonly handleAll: Subscription["handleAll"]
  readonly settle: Settle<Delivery>
  readonly fork: (run: Effect.Effect<void>) => Effect.Effect<unknown>
}

/** Returns when they are dealt with; false when nothing of them was done. */
export type Together = (deliveries: ReadonlyArray<Delivery>) => Effect.Effect<boolean>

/**
 * Hands over together what several partitions of a context have at the same time, so that they share a transaction; what
 * comes while one is under way shares the next. What could not be done together each partition does by itself.
 */
export const make = ({ fork, handleAll, settle }: Options): Together => {
  let waiting: Array<Part> = []
  let running = false

  /** A partition hands over no more than fits by itself. */
  const take = () => {
    let count = 0
    const tooMany = waiting.findIndex(({ deliveries }) => (count += deliveries.length) > handedOver)
    const taken = tooMany === -1 ? waiting : waiting.slice(0, Math.max(tooMany, 1))
    waiting = waiting.slice(taken.length)
    return taken
  }

  const run = Effect.gen(function*() {
    // The batches of one fetch are begun one after another.
    yield* Effect.sleep(0)
    while (waiting.length > 0) {
      const parts = take()
      const exit = yield* Effect.exit(handleAll(parts.flatMap(({ deliveries }) => deliveries), settle))
      for (const { done } of parts) Deferred.doneUnsafe(done, exit)
    }
    running = false
  })

  return (deliveries) =>
    Effect.suspend(() => {
      const done = Deferred.makeUnsafe<boolean>()
      waiting.push({ deliveries, done })
      if (running) return Deferred.await(done)
      running = true
      return Effect.andThen(fork(run), Deferred.await(done))
    })
}
