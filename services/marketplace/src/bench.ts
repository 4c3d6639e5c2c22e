import { Clock, Console, Effect, FileSystem, Option, Schedule, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Report from "./Bench/Report.ts"
import { launch, marketplace, yardstick } from "./Bench/Server.ts"
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

const run = Effect.fn("bench")(function*(options: { readonly profile: "embedded" | "full"; readonly products: number; readonly short: boolean; readonly memory: number }) {
  const files = yield* FileSystem.FileSystem
  const size = options.short ? sizes.short : sizes.full
  const directory = yield* files.makeTempDirectoryScoped({ prefix: "marketplace-bench-" })
  yield* files.chmod(directory, 0o755)
  const say = (what: string) => Console.error(`[bench] ${what}`)

  yield* say("Y2: a transaction of three statements; W5: events from outbox to effect")
  const { cpu: y2 = 0 } = yield* yardstick(["y2", String(size.transactions)], directory)
  const events = yield* yardstick(["events", String(size.events)], directory)

  yield* say("Y1: a constant answer of 1 KB")
  const y1 = yield* Effect.scoped(Effect.gen(function*() {
    const port = 18_900
    const child = yield* launch("Bench/yardstick.ts", ["y1"], { PORT: String(port) })
    const url = `http://127.0.0.1:${port}`
    yield* Effect.promise(() => fetch(url)).pipe(Effect.sandbox, Effect.retry({ times: 200, schedule: pause }), Effect.orDie)
    yield* Workloads.constant(url, usage(child.pid ?? 0), 8, size.warmUp)
    return yield* Effect.forEach(connections, (n) => Workloads.constant(url, usage(child.pid ?? 0), n, size.constant))
  }))

  yield* say(`the marketplace with ${options.products} products (${options.profile})`)
  yield* Effect.scoped(marketplace(options.profile, options.products, directory))
  const target = yield* marketplace(options.profile, options.products, directory)
  const { tokenPrivateKey } = yield* Secrets.read(directory)
  const offers = yield* Workloads.catalogue(target.gatewayUrl)
  const [flash, ...others] = offers
  if (flash === undefined) return yield* Effect.die(new Error("nothing is on sale"))

  yield* say("W1: read a product")
  yield* Workloads.readProduct(target, others, 8, size.warmUp)
  const w1 = yield* Effect.forEach(connections, (n) => Workloads.readProduct(target, others, n, size.reads))

  const shop = Effect.gen(function*() {
    yield* say("W3: purchases")
    yield* Workloads.purchases(target, others, 8, size.warmUp, "warm-up")
    const w3 = yield* Effect.forEach(connections, (n) => Workloads.purchases(target, others, n, n === 1 ? Math.ceil(size.purchases / 5) : size.purchases, `w3-${n}`))
    yield* say("W4: flash sale")
    const w4 = yield* Workloads.flashSale(target, flash, 100, size.buyers)
    const after = yield* target.usage
    const memory: Array<number> = []
    for (const nth of options.memory > 0 ? ["first", "second"] : []) {
      yield* say(`memory: the ${nth} ${options.memory} purchases`)
      yield* Workloads.purchases(target, others, 8, options.memory, `memory-${nth}`)
      memory.push((yield* target.usage).rootMemory)
    }
    return { w3, w4, after, memory }
  })
  const before = yield* target.usage
  const { after, memory, w3, w4 } = yield* Effect.provide(shop, tokens(tokenPrivateKey))
  const now = yield* Clock.currentTimeMillis
  const report: Report.Report = {
    profile: options.profile,
    products: options.products,
    at: now,
    y1,
    y2,
    w1,
    w3,
    w4,
    w5: {
      relay: events["relay"] ?? 0,
      effect: events["effect"] ?? 0,
      ageP50: events["ageP50"] ?? 0,
      ageP99: events["ageP99"] ?? 0
    },
    w7: target.startedIn,
    memory: { before: before.rootMemory, after: after.rootMemory, all: after.memory, over: memory }
  }
  return report
})

const bench = Command.make("bench", {
  profile: Flag.Literals("profile", ["embedded", "full"]).pipe(Flag.withDefault("embedded" as const)),
  products: Flag.Int("products").pipe(Flag.withDefault(10_000)),
  short: Flag.Boolean("short").pipe(Flag.withDefault(false)),
  memory: Flag.Int("memory").pipe(Flag.withDefault(0), Flag.withDescription("also looks at memory after so many more purchases, twice")),
  json: Flag.String("json").pipe(Flag.optional),
  compare: Flag.String("compare").pipe(Flag.optional)
}, Effect.fn(function*({ compare, json, ...options }) {
  const files = yield* FileSystem.FileSystem
  const result = yield* Effect.scoped(run(options))
  const earlier = Option.isNone(compare)
    ? undefined
    : yield* Effect.flatMap(files.readFileString(compare.value), Schema.decodeEffect(Report.Json))
  yield* Console.log(Report.render(result, earlier))
  if (Option.isSome(json)) yield* Effect.flatMap(Schema.encodeEffect(Report.Json)(result), (text) => files.writeFileString(json.value, `${text}\n`))
}))

bench.pipe(
  Command.run({ version: "1" }),
  Effect.provide([NodeServices.layer, NodeCrypto.layerSecureRandom]),
  NodeRuntime.runMain
)
