import { Clock, Console, Effect, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Workloads from "./Bench/Workloads.ts"
import * as Marketplace from "./Faults/Marketplace.ts"
import * as Members from "./Faults/Members.ts"
import * as Report from "./Faults/Report.ts"
import * as Run from "./Faults/Run.ts"
import * as Schedule from "./Faults/Schedule.ts"
import * as Servers from "./Faults/Servers.ts"

process.channel?.unref()

/** Something was not as it must be after a fault; the lines before tell what. */
class FaultsFound extends Schema.TaggedError<FaultsFound>()("FaultsFound", {}) {}

/** An installation of its own in a folder that PostgreSQL's user reaches; gone afterwards, unless it has something to show. */
const installation = (profile: Schedule.Profile) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const directory = mkdtempSync(join(tmpdir(), "marketplace-faults-"))
      chmodSync(directory, 0o755)
      const servers = await Servers.start(profile, directory)
      try {
        return { directory, servers, marketplace: await Marketplace.start(profile, directory, servers), failed: false }
      } catch (error) {
        await servers.stop()
        throw error
      }
    }),
    ({ directory, failed, marketplace, servers }) =>
      Effect.promise(async () => {
        const status = await marketplace.stop()
        await servers.stop()
        if (status !== 0) process.stderr.write(`[faults] asked to stop, the marketplace ended with ${status}\n`)
        if (failed) process.stderr.write(`[faults] what it left is in ${directory}\n`)
        else rmSync(directory, { recursive: true, force: true })
      })
  )

const tell: Run.Tell = (line) => void process.stdout.write(`${JSON.stringify(line)}\n`)

/** More than come in one run. */
const mostBuyers = 1000

interface Options {
  readonly profile: Schedule.Profile
  readonly seed: number
  readonly runs: number
  readonly seconds: number
}

/** Runs of consecutive seeds on one installation; one that has failed is left, and the next run has another. */
const several = Effect.fn("faults")(function*({ profile, runs, seconds, seed }: Options) {
  const begun = yield* Clock.currentTimeMillis
  const results: Array<Run.Result> = []
  const isOver = Effect.map(Clock.currentTimeMillis, (now) => results.length >= runs || (seconds > 0 && now - begun > seconds * 1000))
  const untilOneFails = Effect.gen(function*() {
    const here = yield* installation(profile)
    const { marketplace } = here
    const offers = yield* Workloads.catalogue(marketplace.gateway())
    while (!(yield* isOver)) {
      const schedule = Schedule.make(profile, seed + results.length)
      const tokens = yield* Effect.promise(() => Members.arrive(marketplace, mostBuyers))
      const result = yield* Effect.promise(() => Run.run({ marketplace, offers, schedule, tell, tokens }))
      results.push(result)
      tell({
        seed: result.seed,
        run: Report.isFailed(result) ? "failed" : Report.isVoid(result) ? "does not count" : "passed",
        settledAfter: Number(result.settledAfter.toFixed(1)),
        ...result.operations,
        providerFaults: result.providerFaults,
        problems: result.problems.slice(0, 20)
      })
      here.failed = Report.isFailed(result)
      if (here.failed) return
    }
  }).pipe(Effect.scoped)
  while (!(yield* isOver)) yield* untilOneFails
  return results
})

const faults = Command.make("faults", {
  profile: Flag.Literals("profile", ["embedded", "full"]).pipe(Flag.withDefault("embedded" as const)),
  seed: Flag.Int("seed").pipe(Flag.withDescription("of the first run; the others have the next ones"), Flag.withDefault(1)),
  runs: Flag.Int("runs").pipe(Flag.withDefault(1)),
  strikes: Flag.Int("strikes").pipe(
    Flag.withDescription("fails unless each crash point was struck so often"),
    Flag.withDefault(0)
  ),
  seconds: Flag.Int("seconds").pipe(Flag.withDescription("begin no run after so many; 0 is no limit"), Flag.withDefault(0))
}, Effect.fn(function*(options) {
  if (process.platform !== "linux") {
    return yield* Console.error("Fault runs need Linux: they stop processes and look into /proc. Run them in a container or a virtual machine.")
  }
  const results = yield* several(options)
  yield* Console.log(Report.render(options.profile, results))
  const seldom = Report.tooSeldom(results, options.strikes)
  if (seldom.length > 0) yield* Console.log(`struck less than ${options.strikes} times: ${seldom.join(", ")}`)
  if (seldom.length > 0 || results.some(Report.isFailed)) return yield* new FaultsFound()
})).pipe(Command.withDescription("Buyers, while faults strike on a seeded schedule; 0 if all was as it must be after each"))

faults.pipe(
  Command.run({ version: "1" }),
  Effect.provide([NodeServices.layer, NodeCrypto.layerSecureRandom]),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
