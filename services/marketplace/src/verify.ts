import { Cause, Config, Console, DateTime, Effect, Exit, Layer, Logger, Option, type Runtime, Schema } from "effect"
import { CliError, Command, Flag } from "effect/cli"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Logging from "@marketplace/telemetry/Logging"
import { isatty } from "node:tty"
import * as Report from "./Verify/Report.ts"
import { verify } from "./Verify/Verification.ts"

process.channel?.unref()

/** The marketplace is not as it must be; the report says where. */
class Violated extends Schema.TaggedError<Violated>()("Violated", {}) {}

const seconds = new Map([["s", 1], ["m", 60], ["h", 3600], ["d", 86_400]])

/** Seconds back, or a time. */
const since = (text: string): Option.Option<number | Date> => {
  const [, count, unit = ""] = /^(\d+) ?(s|m|h|d|seconds?|minutes?|hours?|days?)$/.exec(text) ?? []
  return count === undefined
    ? Option.map(DateTime.make(text), DateTime.toDateUtc)
    : Option.map(Option.fromUndefinedOr(seconds.get(unit.charAt(0))), (each) => each * Number(count))
}

const command = Command.make("verify", {
  since: Flag.String("since").pipe(
    Flag.withDescription("only what happened since then: a time (2026-11-25T10:00:00Z) or how long ago (90s, 15m, 2h, 7d)"),
    Flag.filterMap(since, () => "a time or a duration"),
    Flag.optional
  ),
  json: Flag.Boolean("json").pipe(Flag.withDescription("every invariant, as JSON"), Flag.withDefault(false))
}, Effect.fn(function*(options) {
  const directory = yield* Config.String("MARKETPLACE_DATA").pipe(Config.withDefault(".data"))
  const outcome = yield* verify(directory, Option.getOrUndefined(options.since))
  yield* Console.log(options.json ? Report.json(outcome) : Report.text(outcome))
  if (Report.violationsOf(outcome) > 0) return yield* new Violated()
})).pipe(Command.withDescription("Says whether the marketplace is as it must be: 0 it is, 1 it is not, 2 it cannot be said"))

const status = (cause: Cause.Cause<unknown>) =>
  Cause.hasInterruptsOnly(cause) ? 130 : Cause.squash(cause) instanceof Violated ? 1 : 2

const teardown: Runtime.Teardown = (exit, onExit) => onExit(Exit.isSuccess(exit) ? 0 : status(exit.cause))

/** What is wrong with the words is said by then. */
const isSaid = (error: unknown) => error instanceof Violated || CliError.isCliError(error)

const say = (cause: Cause.Cause<unknown>) => {
  const error = Cause.squash(cause)
  if (Cause.hasInterruptsOnly(cause) || isSaid(error)) return Effect.void
  return Console.error(`It cannot be said: ${error instanceof Error ? error.message : String(error)}`)
}

command.pipe(
  Command.run({ version: "1" }),
  Effect.tapCause(say),
  Effect.provide([NodeServices.layer, NodeCrypto.layerSecureRandom]),
  // the output is the report's
  Effect.provide(Layer.merge(Logger.layer([Logging.pretty("verify", isatty(2))]), Layer.succeed(Logger.LogToStderr, true))),
  NodeRuntime.runMain({ disableErrorReporting: true, teardown })
)
