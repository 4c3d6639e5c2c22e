import { Clock, Config, Effect, Layer } from "effect"
import { crashPoint } from "@marketplace/postgres/CrashPoints"
import * as FaultInjection from "@marketplace/service/FaultInjection"

/** Passes a point as often as it is told, tells its clock, and ends. */
const program = Layer.effectDiscard(Effect.gen(function*() {
  const passes = yield* Config.Int("PASSES")
  for (let n = 1; n <= passes; n++) {
    yield* crashPoint("checkout.placed")
    process.stdout.write(`passed ${n}\n`)
  }
  process.stdout.write(`clock ${yield* Clock.currentTimeMillis}\n`)
}))

await Effect.runPromise(Effect.scoped(Layer.build(Layer.provide(program, FaultInjection.layerConfig))))
