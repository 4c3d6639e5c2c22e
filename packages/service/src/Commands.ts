import { Context, Effect, Fiber, FiberSet, Layer } from "effect"

/**
 * Keeps a command from being cut off by its caller. A client that disconnects interrupts its handler, also between an
 * outside call and the commit that should remember it; what is started here goes on, and the handler only waits for it.
 *
 * One for the process. Routes that are closed (`Server.serviceRoutes`) wait for running commands before anything that these
 * work with is closed.
 */
export class Commands extends Context.Service<Commands, {
  /**
   * Runs the command in a fiber of the service, with the caller's services and span but a scope of its own, and gives its
   * result to the caller if that one is still there. A command that fails after its caller has gone is logged.
   */
  readonly run: <A, E, R>(command: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Returns when no command runs any more. After ten seconds those that still do are interrupted. */
  readonly stop: Effect.Effect<void>
}>()("@marketplace/service/Commands") {
  static readonly layer = Layer.effect(Commands, Effect.gen(function*() {
    const running = yield* FiberSet.make<unknown, unknown>()
    const stop = FiberSet.awaitEmpty(running).pipe(
      Effect.timeoutOption("10 seconds"),
      Effect.andThen(FiberSet.clear(running))
    )
    yield* Effect.addFinalizer(() => stop)

    const run = <A, E, R>(command: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.uninterruptibleMask((restore) =>
        Effect.suspend(() => {
          let abandoned = false
          const reported = Effect.tapCause(Effect.scoped(Effect.interruptible(command)), (cause) =>
            abandoned ? Effect.logError("A command failed after its caller had gone", cause) : Effect.void)
          return Effect.flatMap(FiberSet.run(running, reported), (fiber) =>
            restore(Fiber.join(fiber)).pipe(Effect.onInterrupt(() => Effect.sync(() => {
              abandoned = true
            }))))
        })
      )

    return Commands.of({ run, stop })
  }))
}
