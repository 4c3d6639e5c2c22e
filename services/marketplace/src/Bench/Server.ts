import { Clock, Effect, Schema } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Start from "../../../../infra/toolchain/embedded/start.mjs"
import { usage } from "./ProcessTree.ts"

/** A server that did not come up or went away. */
export class BenchFailed extends Schema.TaggedError<BenchFailed>()("BenchFailed", { detail: Schema.String }) {}

/** A program of this package. */
export const file = (name: string) => fileURLToPath(new URL(`../${name}`, import.meta.url))

/** Node with these words as a process of its own, ended with the scope. */
export const launch = Effect.fnUntraced(function*(words: ReadonlyArray<string>, environment: Readonly<Record<string, string>>) {
  return yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, words, {
        stdio: ["ignore", "pipe", "inherit"],
        env: { ...process.env, ...environment, LOG_LEVEL: "warn", LOG_FORMAT: "json" }
      })
    ),
    (child) =>
      Effect.promise(async () => {
        if (child.exitCode !== null || child.signalCode !== null) return
        const ended = once(child, "exit")
        child.kill("SIGINT")
        const timer = setTimeout(() => child.kill("SIGKILL"), 20_000)
        await ended
        clearTimeout(timer)
      })
  )
})

/** Runs a yardstick that measures itself and prints what it found. */
export const yardstick = Effect.fn("Bench.yardstick")(function*(args: ReadonlyArray<string>, directory: string) {
  const child = yield* launch([file("Bench/yardstick.ts"), ...args], { MARKETPLACE_DATA: join(directory, "yardstick") })
  const printed = yield* Effect.promise(async () => {
    let all = ""
    for await (const chunk of child.stdout ?? []) all += String(chunk)
    return all
  })
  const line = printed.split("\n").find((one) => one.startsWith("{"))
  if (line === undefined) return yield* new BenchFailed({ detail: `yardstick ${args.join(" ")} printed no result` })
  return yield* Effect.orDie(Schema.decodeEffect(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Finite)))(line))
}, Effect.scoped)

const Announced = Schema.fromJsonString(Schema.Struct({ gatewayUrl: Schema.String, simulatorUrl: Schema.String }))

/** The marketplace under test, with so many products, on its own data. */
export const marketplace = Effect.fn("Bench.marketplace")(function*(profile: "embedded" | "full", products: number, directory: string) {
  const words = profile === "full" ? [file("full.ts")] : Start.words(process.execPath, (line) => void process.stderr.write(`[bench] ${line}\n`))
  const begun = yield* Clock.currentTimeMillis
  const child = yield* launch(words, {
    MARKETPLACE_DATA: directory,
    MARKETPLACE_PRODUCTS: String(products),
    // as one would run it under load: one trace in twenty is kept
    OTEL_TRACES_SAMPLER_ARG: "0.05"
  })
  const pid = child.pid ?? 0
  while (true) {
    const text = yield* Effect.promise(() => readFile(join(directory, "running.json"), "utf8").catch(() => ""))
    const now = yield* Clock.currentTimeMillis
    if (text !== "") {
      const { gatewayUrl, simulatorUrl } = yield* Effect.orDie(Schema.decodeEffect(Announced)(text))
      return { gatewayUrl, simulatorUrl, pid, startedIn: now - begun, usage: usage(pid) }
    }
    if (child.exitCode !== null || now - begun > 300_000) return yield* new BenchFailed({ detail: "the marketplace did not start; run it alone to see why" })
    yield* Effect.sleep("20 millis")
  }
})
