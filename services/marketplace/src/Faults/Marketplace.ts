import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import * as CrashPoints from "@marketplace/testing/CrashPoints"
import * as FaultProxy from "@marketplace/testing/FaultProxy"
import type { Servers } from "./Servers.ts"
import { postgresFolder } from "../Running.ts"
import * as Http from "./Http.ts"
import type { Profile } from "./Schedule.ts"

/** The marketplace under test on data of its own, started again whenever it dies. */
export interface Marketplace {
  readonly profile: Profile
  readonly directory: string
  readonly gateway: () => string
  readonly provider: () => string
  readonly providerSecret: () => string
  readonly tokenPrivateKey: () => string
  readonly orders: CrashPoints.Orders
  readonly databaseProxy: FaultProxy.FaultProxy
  readonly providerProxy: FaultProxy.FaultProxy
  /** Kafka and the others, on the full profile. */
  readonly servers: Servers
  /** Of `marketplace`, of a service of the full profile, or of the PostgreSQL server. */
  readonly pidOf: (process: string) => number | undefined
  /** How often it was started. */
  readonly starts: () => number
  /** Whether the shop is open: what buyers see first is answered. */
  readonly serves: () => Promise<boolean>
  /** Asks it to end. Gives its status, or the signal that ended it. */
  readonly stop: () => Promise<number | string>
}

/** Short, so that a run sees the end of what it begins. */
const settings: Readonly<Record<string, string>> = {
  MARKETPLACE_PRODUCTS: "100",
  ORDER_SWEEP_INTERVAL: "500 millis",
  ORDER_PLACING_TIMEOUT: "5 seconds",
  ORDER_PAYMENT_WINDOW: "8 seconds",
  PAYMENT_SWEEP_INTERVAL: "500 millis",
  PAYMENT_SIMULATOR_DEADLINE: "2 seconds",
  LOG_LEVEL: "warn",
  LOG_FORMAT: "json"
}

const text = (file: string): string => {
  try {
    return readFileSync(file, "utf8")
  } catch {
    return ""
  }
}

const json = (file: string): unknown => {
  const found = text(file)
  return found === "" ? undefined : JSON.parse(found)
}

const freePort = () =>
  new Promise<number>((resolve, reject) => {
    const server = createServer()
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

/** Child processes of a process that run a file. */
const childOf = (parent: number, file: string): number | undefined =>
  readdirSync("/proc").map(Number).filter(Number.isInteger).find((pid) => {
    const stat = text(`/proc/${pid}/stat`)
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === parent && text(`/proc/${pid}/cmdline`).includes(file)
  })

/** One letter: R runs, S sleeps, T is stopped, Z is dead. */
export const stateOf = (pid: number): string | undefined => /^.*\) (\S)/s.exec(text(`/proc/${pid}/stat`))?.[1]

/** Waits until it holds, at most so many milliseconds; tells whether it does. */
export const until = async (limit: number, holds: () => boolean | Promise<boolean>): Promise<boolean> => {
  const end = performance.now() + limit
  while (!(await holds())) {
    if (performance.now() > end) return false
    await sleep(50)
  }
  return true
}

/** Starts it, and returns when it serves. */
export const start = async (profile: Profile, directory: string, servers: Servers): Promise<Marketplace> => {
  const program = fileURLToPath(new URL(profile === "full" ? "../full.ts" : "../main.ts", import.meta.url))
  const orders = CrashPoints.open(join(directory, "faults"))
  const running = () => json(join(directory, "running.json"))
  let child: ChildProcess | undefined
  const providerOf = () => Http.textAt(running(), "simulatorUrl")

  const databaseProxy = await FaultProxy.start(() => {
    const port = Number(text(join(directory, postgresFolder[profile], "port")).split(" ")[1])
    return port > 0 ? { host: "127.0.0.1", port } : undefined
  })
  const providerProxy = await FaultProxy.start(() => {
    const url = providerOf()
    return url === "" ? undefined : { host: "127.0.0.1", port: Number(new URL(url).port) }
  })

  const environment = {
    ...process.env,
    ...settings,
    ...servers.environment,
    MARKETPLACE_DATA: directory,
    MARKETPLACE_FAULTS: orders.folder,
    MARKETPLACE_POSTGRES_VIA: `127.0.0.1:${databaseProxy.port}`,
    PAYMENT_SIMULATOR_URL: `http://127.0.0.1:${providerProxy.port}`,
    PORT: String(await freePort())
  }
  const log = openSync(join(directory, "marketplace.log"), "a")
  let isWanted = true
  let starts = 0
  let early = 0
  const launch = () => {
    const begun = performance.now()
    starts++
    // The channel ends it with us.
    child = spawn(process.execPath, [program], { stdio: ["ignore", log, log, "ipc"], env: environment })
    child.once("exit", () => {
      child = undefined
      early = performance.now() - begun < 2000 ? early + 1 : 0
      if (isWanted && early < 20) setTimeout(() => isWanted && launch(), early > 0 ? 500 : 50)
    })
  }
  launch()

  const serves = async () => {
    if (child === undefined || Number(Http.field(running(), "pid")) !== child.pid) return false
    // What the gateway kept would say nothing about the services.
    const request = { method: "GET", path: "/v1/products?limit=1", headers: { "cache-control": "no-cache" } } as const
    const shown = await Http.send(Http.textAt(running(), "gatewayUrl"), request, { hangUpAfter: 2000 })
    return shown.kind === "answer" && shown.status === 200
  }

  const marketplace: Marketplace = {
    profile,
    directory,
    orders,
    databaseProxy,
    providerProxy,
    servers,
    serves,
    gateway: () => Http.textAt(running(), "gatewayUrl") || "http://127.0.0.1:9",
    provider: () => providerOf() || "http://127.0.0.1:9",
    providerSecret: () => Http.textAt(json(join(directory, "secrets.json")), "simulatorSecret"),
    tokenPrivateKey: () => Http.textAt(json(join(directory, "secrets.json")), "tokenPrivateKey"),
    starts: () => starts,
    pidOf: (name) => {
      if (name === "marketplace") return child?.pid
      if (name === "postgres") return Number(text(join(directory, postgresFolder[profile], "data", "postmaster.pid")).split("\n")[0]) || undefined
      return child?.pid === undefined ? undefined : childOf(child.pid, `services/${name}/src/main.ts`)
    },
    stop: async () => {
      isWanted = false
      const current = child
      const ended: Promise<number | string> = current === undefined
        ? Promise.resolve("it was dead")
        : once(current, "exit").then(([code, signal]) => code ?? signal)
      current?.kill("SIGCONT")
      current?.kill("SIGTERM")
      const timer = setTimeout(() => current?.kill("SIGKILL"), 30_000)
      const how = await ended
      clearTimeout(timer)
      await databaseProxy.set(undefined)
      await databaseProxy.close()
      await providerProxy.close()
      closeSync(log)
      return how
    }
  }
  if (await until(120_000, serves)) return marketplace
  await marketplace.stop()
  throw new Error(`the marketplace does not serve after two minutes; ${join(directory, "marketplace.log")} tells why`)
}
