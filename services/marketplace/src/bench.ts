import { Clock, Console, Effect, FileSystem, Layer, Option, Schedule, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Age from "./Bench/Age.ts"
import * as Observed from "./Bench/Observed.ts"
import * as Report from "./Bench/Report.ts"
import * as Selection from "./Bench/Selection.ts"
import { file, launch, marketplace, yardstick } from "./Bench/Server.ts"
import { tokens } from "./Bench/Shop.ts"
import * as Workloads from "./Bench/Workloads.ts"
import { usage } from "./Bench/ProcessTree.ts"
import * as Secrets from "./Secrets.ts"

process.channel?.unref()

/** How much is done of each workload; `--short` is for form, not for figures. */
const sizes = {
  full: { constant: 20_000, reads: 20_000, purchases: 3_000, warmUp: 300, buyers: 10_000, transactions: 5_000, events: 5_000 },
  short: { constant: 500, reads: 500, purchases: 60, warmUp: 20, buyers: 300, transactions: 500, events: 500 }
} as const

const pause = Schedule.spaced("50 millis")

const connections = [1, 8, 32] as const

interface Options {
  readonly profile: "embedded" | "full"
  readonly products: number
  readonly short: boolean
  readonly memory: number
  readonly workloads: ReadonlySet<Selection.Workload>
}

const say = (what: string) => Console.error(`[bench] ${what}`)

/** What is measured against, in processes of their own; W5 in one of them. */
const yardsticks = Effect.fn("bench.yardsticks")(function*({ short, workloads }: Options, directory: string) {
  const size = short ? sizes.short : sizes.full
  yield* say("Y2: a transaction of three statements")
  const { cpu: y2 = 0 } = yield* yardstick(["y2", String(size.transactions)], directory)

  yield* say("Y1: a constant answer of 1 KB")
  const y1 = yield* Effect.scoped(Effect.gen(function*() {
    const port = 18_900
    const child = yield* launch([file("Bench/yardstick.ts"), "y1"], { PORT: String(port) })
    const url = `http://127.0.0.1:${port}`
    const asked = Effect.promise(() => fetch(url))
    yield* asked.pipe(Effect.sandbox, Effect.retry({ times: 200, schedule: pause }), Effect.orDie)
    yield* Workloads.constant(url, usage(child.pid ?? 0), 8, size.warmUp)
    return yield* Effect.forEach(connections, (n) => Workloads.constant(url, usage(child.pid ?? 0), n, size.constant))
  }))
  if (!workloads.has("W5")) return { y1, y2 }

  yield* say("W5: events from outbox to effect")
  const { ageP50 = 0, ageP99 = 0, effect = 0, relay = 0 } = yield* yardstick(["events", String(size.events)], directory)
  return { y1, y2, w5: { relay, effect, ageP50, ageP99 } }
})

const shopping = Effect.fn("bench.shopping")(function*(options: Options, directory: string) {
  const { memory, products, profile, short, workloads } = options
  const size = short ? sizes.short : sizes.full
  const only = <A, E, R>(workload: Selection.Workload, what: string, work: Effect.Effect<A, E, R>) =>
    workloads.has(workload) ? Effect.andThen(say(`${workload}: ${what}`), work) : Effect.undefined

  yield* say(`the marketplace with ${products} products (${profile})`)
  yield* Effect.scoped(Effect.andThen(
    marketplace(profile, products, directory),
    Effect.provide(Observed.begin, Observed.layer(directory))
  ))
  const started = yield* marketplace(profile, products, directory)
  const observed = yield* Layer.build(Observed.layer(directory))
  const target = { ...started, counts: Effect.provide(Observed.counts(started.gatewayUrl), observed) }
  const start = yield* target.usage
  const { tokenPrivateKey } = yield* Secrets.read(directory)
  const [flash, ...others] = yield* Workloads.catalogue(target.gatewayUrl)
  if (flash === undefined) return yield* Effect.die(new Error("nothing is on sale"))
  const purchases = (n: number, count: number, name: string) => Workloads.purchases(target, others, n, count, name)

  const w1 = yield* only("W1", "read a product", Effect.andThen(
    Workloads.readProduct(target, others, 8, size.warmUp),
    Effect.forEach(connections, (n) => Workloads.readProduct(target, others, n, size.reads))
  ))
  const w1PastTheCache = yield* only(
    "W1",
    "read a product past the cache",
    Workloads.readProductPastTheCache(target, others, 32, size.reads)
  )
  const before = yield* target.usage

  const shop = Effect.gen(function*() {
    const w3 = yield* only("W3", "purchases", Effect.andThen(
      purchases(8, size.warmUp, "warm-up"),
      Effect.forEach(connections, (n) =>
        Age.during(purchases(n, n === 1 ? Math.ceil(size.purchases / 5) : size.purchases, `w3-${n}`)))
    ))
    const w4 = yield* only("W4", "flash sale", Workloads.flashSale(target, flash, 100, size.buyers))
    const after = yield* target.usage
    const over: Array<number> = []
    for (const nth of memory > 0 ? ["first", "second"] : []) {
      yield* say(`memory: the ${nth} ${memory} purchases`)
      yield* purchases(8, memory, `memory-${nth}`)
      over.push((yield* target.usage).rootMemory)
    }
    return { w1, w1PastTheCache, w3, w4, w7: target.startedIn, after, over }
  })
  const { after, over, ...results } = yield* shop.pipe(Effect.provide(tokens(tokenPrivateKey)), Effect.provide(observed))
  const resident = { start: start.rootMemory, before: before.rootMemory, after: after.rootMemory, all: after.memory }
  return { ...results, memory: { ...resident, over, ...(memory > 0 ? { purchases: memory } : {}) } }
})

const run = Effect.fn("bench")(function*(options: Options) {
  const files = yield* FileSystem.FileSystem
  const directory = yield* files.makeTempDirectoryScoped({ prefix: "marketplace-bench-" })
  yield* files.chmod(directory, 0o755)
  const { memory, products, profile, workloads } = options
  const measured = yield* yardsticks(options, directory)
  const isStarted = memory > 0 || [...workloads].some((workload) => workload !== "W5")
  const results = isStarted ? yield* shopping(options, directory) : {}
  const report: Report.Report = { profile, products, at: yield* Clock.currentTimeMillis, ...measured, ...results }
  return report
})

const bench = Command.make("bench", {
  profile: Flag.Literals("profile", ["embedded", "full"]).pipe(Flag.withDefault("embedded" as const)),
  products: Flag.Int("products").pipe(Flag.withDefault(10_000)),
  short: Flag.Boolean("short").pipe(Flag.withDefault(false)),
  memory: Flag.Int("memory").pipe(
    Flag.withDefault(0),
    Flag.withDescription("also looks at memory after so many more purchases, twice")
  ),
  workloads: Flag.String("workloads").pipe(
    Flag.withDescription(`only some of ${[...Selection.all].join(",")}; the yardsticks always run`),
    Flag.filterMap(Selection.parse, () => `some of ${[...Selection.all].join(",")}`),
    Flag.withDefault(Selection.all)
  ),
  json: Flag.String("json").pipe(Flag.optional),
  compare: Flag.String("compare").pipe(Flag.optional)
}, Effect.fn(function*({ compare, json, ...options }) {
  const files = yield* FileSystem.FileSystem
  const result = yield* Effect.scoped(run(options))
  const earlier = Option.isNone(compare)
    ? undefined
    : yield* Effect.flatMap(files.readFileString(compare.value), Schema.decodeEffect(Report.Json))
  yield* Console.log(Report.render(result, earlier))
  if (Option.isNone(json)) return
  const text = yield* Schema.encodeEffect(Report.Json)(result)
  yield* files.writeFileString(json.value, `${text}\n`)
}))

bench.pipe(
  Command.run({ version: "1" }),
  Effect.provide([NodeServices.layer, NodeCrypto.layerSecureRandom]),
  NodeRuntime.runMain
)
