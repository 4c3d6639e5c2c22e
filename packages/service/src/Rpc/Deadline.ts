import { Context, Effect, Option } from "effect"
import { Headers } from "effect/http"
import { monotonicMillis } from "@marketplace/events/MonotonicMillis"

/** By which the work of this fiber must have its answers, in milliseconds of the monotonic clock. Later answers find nobody. */
export const Deadline = Context.Reference<number>("@marketplace/service/Deadline", { defaultValue: () => Infinity })

const header = "x-deadline-millis"

/** For the callee, what is left in milliseconds: the clocks of two machines have no common beginning. */
export const tell = (remaining: number) => ({ [header]: String(Math.ceil(remaining)) })

/** What a procedure calls in turn gets no longer than its own caller waits. */
export const inherit = (headers: Headers.Headers) => <A, E, R>(operation: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
  const remaining = Number(Option.getOrElse(Headers.get(headers, header), () => "Infinity"))
  return Number.isNaN(remaining)
    ? operation
    : Effect.flatMap(monotonicMillis, (now) => Effect.provideService(operation, Deadline, now + remaining))
}
