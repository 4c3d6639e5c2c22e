import { Cause, Exit, Layer, Runtime } from "effect"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as FaultInjection from "./FaultInjection.ts"

/** Asked to stop and stopped is what was wanted: status 0. */
const teardown: Runtime.Teardown = (exit, onExit) =>
  Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? onExit(0) : Runtime.defaultTeardown(exit, onExit)

/** Whoever started this process over a channel may be killed outright: then it is asked to stop here, not left behind. */
const endWithStarter = () => {
  process.channel?.unref()
  process.once("disconnect", () => process.kill(process.pid, "SIGTERM"))
}

/**
 * Runs a process until SIGINT or SIGTERM, then closes what it opened, in reverse order, and ends with status 0. Failing to
 * start is status 1 and a log line with the reason.
 */
export const launch = <E>(service: Layer.Layer<never, E>): void => {
  endWithStarter()
  service.pipe(Layer.provide(FaultInjection.layerConfig), Layer.launch, NodeRuntime.runMain({ teardown }))
}
