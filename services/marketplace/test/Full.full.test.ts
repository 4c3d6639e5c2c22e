import { assert, describe, it } from "@effect/vitest"
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, inject } from "vitest"
import { entries } from "../../../infra/toolchain/bundle.ts"
import { members } from "../src/Seed/Data.ts"
import { type Place, readTrace, Shopper } from "./full/Shopper.ts"

/** The bundles of the services as processes on Kafka, registry, MongoDB, Redis and PostgreSQL, as the images would run them. */
const root = join(import.meta.dirname, "../../..")
const data = mkdtempSync(join(tmpdir(), "marketplace-full-"))
chmodSync(data, 0o755)

const environment = {
  ...process.env,
  MARKETPLACE_DATA: data,
  MARKETPLACE_BUNDLES: join(root, "dist"),
  PORT: "18480",
  KAFKA_BROKERS: inject("kafkaBrokers"),
  KAFKA_PREFIX: `t${process.pid}.`,
  SCHEMA_REGISTRY_URL: inject("schemaRegistryUrl"),
  MONGODB_URL: inject("mongodbUrl"),
  MONGODB_DATABASE: `test_${process.pid}`,
  REDIS_URL: inject("redisUrl")
}

let marketplace: ChildProcess
let place: Place

const until = async <A>(what: string, ask: () => A | Promise<A>, right: (answer: A) => boolean, seconds = 90): Promise<A> => {
  const end = Date.now() + seconds * 1000
  while (true) {
    const answer = await ask()
    if (right(answer)) return answer
    if (Date.now() > end) throw new Error(`${what}: still ${JSON.stringify(answer)} after ${seconds} s`)
    await new Promise((resume) => setTimeout(resume, 50))
  }
}

const start = async () => {
  marketplace = spawn(process.execPath, ["services/marketplace/src/full.ts"], { cwd: root, env: environment, stdio: ["ignore", "pipe", "pipe"] })
  let said = ""
  for (const stream of [marketplace.stdout, marketplace.stderr]) stream?.on("data", (chunk) => (said += String(chunk)))
  const announced = join(data, "running.json")
  await until("start", () => {
    if (marketplace.exitCode !== null) throw new Error(`ended with ${marketplace.exitCode}:\n${said}`)
    return existsSync(announced)
  }, (there) => there, 150)
  const running: Omit<Place, "simulatorSecret"> = JSON.parse(readFileSync(announced, "utf8"))
  place = { ...running, simulatorSecret: JSON.parse(readFileSync(join(data, "secrets.json"), "utf8")).simulatorSecret }
}

const stop = async () => {
  const ended = once(marketplace, "exit")
  marketplace.kill("SIGINT")
  const [code] = await ended
  return code
}

/** The process of a bundle. */
const pidOf = (service: string): number =>
  Number(spawnSync("pgrep", ["-f", join(root, "dist", service, "main.mjs")], { encoding: "utf8" }).stdout.split("\n")[0])

type Spans = Awaited<ReturnType<typeof readTrace>>

/** Who consumed what. */
const consumedIn = (spans: Spans) =>
  spans.filter(({ kind }) => kind === "consumer").map(({ name, service }) => `${service} ${name.split(" ").at(-1)}`)

/** The spans whose parent is not among them: of a whole trace, one. */
const rootsOf = (spans: Spans) => {
  const ids = new Set(spans.map(({ spanId }) => spanId))
  return spans.filter(({ parentSpanId }) => parentSpanId === null || !ids.has(parentSpanId))
}

describe("the full profile", () => {
  beforeAll(async () => {
    const bundled = spawnSync(process.execPath, ["infra/toolchain/bundle.ts"], { cwd: root, encoding: "utf8" })
    assert.strictEqual(bundled.status, 0, bundled.stderr)
    await start()
  }, 240_000)
  afterAll(async () => {
    if (marketplace.exitCode === null) await stop()
    rmSync(data, { recursive: true, force: true })
  }, 60_000)

  it("runs from bundles that need no node_modules", () => {
    for (const name of Object.keys(entries)) assert.isTrue(existsSync(join(root, "dist", name, "main.mjs")), name)
  })

  it("passes the demo", () => {
    const demo = spawnSync(process.execPath, ["services/marketplace/src/demo.ts"], { cwd: root, env: environment, encoding: "utf8" })
    assert.strictEqual(demo.status, 0, demo.stdout + demo.stderr)
    assert.include(demo.stdout, "PAID_LATE")
  }, 120_000)

  it("has one trace from the gateway's request through outbox and Kafka to the last consumer", async () => {
    const shopper = await Shopper.logIn(place, members[1]!.email)
    const traceId = await shopper.buy()
    const expected = ["order PaymentCompleted", "product OrderStatusChanged", "user OrderStatusChanged", "product ProductStockChanged"]
    // Every process exports on its own beat, so any span may arrive before its parent: whole is a trace whose only root has none.
    const spans = await until("trace", () => readTrace(place, traceId), (found) =>
      rootsOf(found).length === 1 && rootsOf(found)[0]?.parentSpanId === null
      && expected.every((one) => consumedIn(found).includes(one)), 50)
    assert.deepStrictEqual(rootsOf(spans).map(({ service }) => service), ["gateway"])
    assert.deepStrictEqual([...new Set(spans.map(({ service }) => service))].sort(), ["gateway", "order", "payment", "product", "user"])
  }, 60_000)

  for (const service of ["order", "payment", "product", "user", "gateway", "simulator"]) {
    it(`drives a purchase to its end with one charge when ${service} is killed in the middle`, async () => {
      const shopper = await Shopper.logIn(place, members[2]!.email)
      const bought = shopper.buyStubbornly()
      await new Promise((resume) => setTimeout(resume, 30))
      process.kill(pidOf(service), "SIGKILL")
      const orderId = await bought
      await until(`order ${orderId}`, () => shopper.statusOf(orderId).catch(() => "unreachable"), (status) => status === "PLACED")
      assert.strictEqual(await shopper.capturesOf(orderId), 1)
    }, 120_000)
  }

  it("goes on where it was when everything is killed at once", async () => {
    const shopper = await Shopper.logIn(place, members[3]!.email)
    const begun = await shopper.order()
    const ended = once(marketplace, "exit")
    for (const name of Object.keys(entries)) if (pidOf(name) > 0) process.kill(pidOf(name), "SIGKILL")
    marketplace.kill("SIGKILL")
    await ended
    spawnSync("pkill", ["-KILL", "-f", join(root, "dist")])
    rmSync(join(data, "running.json"), { force: true })
    await start()
    const again = await Shopper.logIn(place, members[3]!.email)
    assert.strictEqual(await again.statusOf(begun), "AWAITING_PAYMENT")
    await again.pay(begun)
    await until("placed", () => again.statusOf(begun), (status) => status === "PLACED")
    assert.strictEqual(await again.capturesOf(begun), 1)
  }, 240_000)

  it("ends on SIGINT with status 0", async () => {
    assert.strictEqual(await stop(), 0)
  }, 60_000)
})
