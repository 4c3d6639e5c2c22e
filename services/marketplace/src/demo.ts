import { Config, Console, Effect, Layer, Option } from "effect"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { spawn } from "node:child_process"
import { once } from "node:events"
import * as Start from "../../../infra/toolchain/embedded/start.mjs"
import { Narrator, until } from "./Demo/Narrator.ts"
import { LastTrace, layerTracked } from "./Demo/Purchase.ts"
import { story } from "./Demo/Story.ts"
import * as Running from "./Running.ts"
import * as Secrets from "./Secrets.ts"

process.channel?.unref()

/** A marketplace of our own for the time of the demo, on the same data. */
const start = (directory: string) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, Start.words(process.execPath, (line) => void process.stderr.write(`[marketplace] ${line}\n`)), {
        stdio: ["ignore", "ignore", "inherit", "ipc"],
        env: process.env
      })
    ),
    (child) =>
      Effect.promise(async () => {
        if (child.exitCode !== null) return
        const ended = once(child, "exit")
        child.kill("SIGINT")
        await ended
      })
  ).pipe(Effect.andThen(Effect.map(until(Running.find(directory), Option.isSome), Option.getOrThrow)))

const program = Effect.gen(function*() {
  const directory = yield* Config.String("MARKETPLACE_DATA").pipe(Config.withDefault(".data"))
  const found = yield* Running.find(directory)
  if (Option.isNone(found)) yield* Console.log("Nothing runs here yet: starting the marketplace for the demo …")
  const running = Option.isSome(found) ? found.value : yield* start(directory)
  yield* Console.log(`Talking to ${running.gatewayUrl} (${running.profile} profile)`)
  const { simulatorSecret } = yield* Secrets.read(directory)
  yield* story({ ...running, simulatorSecret })
  const { sum } = yield* Narrator
  yield* sum
}).pipe(
  Effect.scoped,
  Effect.catchTag("StepFailed", ({ detail, step }) => Effect.andThen(Console.error(`  ✗ ${step}\n    ${detail}`), Effect.fail("the demo failed"))),
  Effect.provide(Layer.mergeAll(Narrator.layer, layerTracked).pipe(
    Layer.provideMerge(LastTrace.layer),
    Layer.provideMerge([NodeHttpClient.layerNodeHttp, NodeServices.layer, NodeCrypto.layerSecureRandom])
  ))
)

NodeRuntime.runMain(program, { disableErrorReporting: true })
