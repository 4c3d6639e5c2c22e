import { Context, type Duration, Effect, type Scope } from "effect"
import * as Metrics from "@marketplace/telemetry/Metrics"

/**
 * Who is told that a loop of this package is well; nobody unless it is provided. The effect it returns runs after each
 * success, also after one that found nothing to do.
 */
export const LoopHealth = Context.Reference<
  (name: string, within: Duration.Input) => Effect.Effect<Effect.Effect<void>, never, Scope.Scope>
>("@marketplace/events/LoopHealth", { defaultValue: () => () => Effect.succeed(Effect.void) })

/** A loop's mark of success, for `LoopHealth` and for the metrics. */
export const register = (name: string, within: Duration.Input = "30 seconds") =>
  Effect.flatMap(LoopHealth, (tell) => tell(name, within)).pipe(
    Effect.map((told) => Effect.andThen(Metrics.loopSucceeded(name), told))
  )
