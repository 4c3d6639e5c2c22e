import { Cause, Clock, Console, Context, Effect, Layer, Ref, Schema } from "effect"

/** A step of the demo did not do what it should. */
export class StepFailed extends Schema.TaggedError<StepFailed>()("StepFailed", { step: Schema.String, detail: Schema.String }) {}

/** Tells what the demo does, how long each step took, and whether it was right. */
export class Narrator extends Context.Service<Narrator, {
  readonly chapter: (title: string) => Effect.Effect<void>
  /** Runs a step and says what it found; what it fails with is the demo's failure. */
  readonly step: <A, E, R>(title: string, run: Effect.Effect<A, E, R>, say?: (result: A) => string) => Effect.Effect<A, StepFailed, R>
  /** Says how many steps were right. */
  readonly sum: Effect.Effect<void>
}>()("@marketplace/marketplace/Narrator") {
  static readonly layer = Layer.effect(Narrator, Effect.gen(function*() {
    const started = yield* Clock.currentTimeMillis
    const count = yield* Ref.make(0)
    return Narrator.of({
      chapter: (title) => Console.log(`\n${title}`),
      step: Effect.fnUntraced(function*(title, run, say = () => "") {
        const before = yield* Clock.currentTimeMillis
        const result = yield* run.pipe(Effect.catchCause((cause) => new StepFailed({ step: title, detail: detailOf(cause) })))
        const after = yield* Clock.currentTimeMillis
        yield* Ref.update(count, (n) => n + 1)
        const told = say(result)
        yield* Console.log(`  ✓ ${title}${told === "" ? "" : ` — ${told}`}  (${after - before} ms)`)
        return result
      }),
      sum: Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        yield* Console.log(`\n${yield* Ref.get(count)} steps, all as they should be, in ${((now - started) / 1000).toFixed(1)} s`)
      })
    })
  }))
}

const detailOf = (cause: Cause.Cause<unknown>): string =>
  cause.reasons.map((reason) =>
    Cause.isFailReason(reason) && reason.error instanceof StepFailed ? reason.error.detail : Cause.pretty(Cause.fromReasons([reason]))
  ).join("\n    ")

/** Asks again until the answer is right; fails after ten seconds with the last answer. */
export const until = <A, E, R>(ask: Effect.Effect<A, E, R>, right: (answer: A) => boolean): Effect.Effect<A, E | StepFailed, R> =>
  Effect.gen(function*() {
    const end = (yield* Clock.currentTimeMillis) + 10_000
    while (true) {
      const answer = yield* ask
      if (right(answer)) return answer
      if ((yield* Clock.currentTimeMillis) > end) {
        return yield* new StepFailed({ step: "wait", detail: `still ${JSON.stringify(answer)} after 10 s` })
      }
      yield* Effect.sleep("50 millis")
    }
  })

/** Fails unless it holds. */
export const check = (holds: boolean, detail: string): Effect.Effect<void, StepFailed> =>
  holds ? Effect.void : Effect.fail(new StepFailed({ step: "check", detail }))
