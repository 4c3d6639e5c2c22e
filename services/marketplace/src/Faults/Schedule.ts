import { type CrashPoint, crashPoints } from "@marketplace/postgres/CrashPoints"
import type { Fault as ProxyFault } from "@marketplace/testing/FaultProxy"
import type { Name as ServerName } from "../../../../infra/local/Servers.ts"
import { processNames } from "../Full/Environment.ts"
import * as Random from "./Random.ts"

export type Profile = "embedded" | "full"

/** One fault. `process` is a service of the full profile, or the one process of the embedded one. Times in milliseconds. */
export type Fault =
  | { readonly kind: "crash"; readonly point: CrashPoint; readonly pass: number }
  | { readonly kind: "kill"; readonly process: string }
  /** Longer than the leases of relays and consumers, then it goes on as if nothing had been. */
  | { readonly kind: "freeze"; readonly process: string; readonly millis: number }
  | { readonly kind: "postgres-kill" }
  | { readonly kind: "postgres-terminate" }
  | { readonly kind: "database-proxy"; readonly fault: ProxyFault; readonly millis: number }
  | { readonly kind: "provider-proxy"; readonly fault: ProxyFault; readonly millis: number }
  | { readonly kind: "provider-down"; readonly millis: number }
  | { readonly kind: "clock"; readonly offset: number; readonly millis: number }
  | { readonly kind: "server-kill"; readonly server: ServerName; readonly millis: number }
  | { readonly kind: "server-freeze"; readonly server: ServerName; readonly millis: number }
  | { readonly kind: "redis-flush" }
  /** A service starts while a server that it needs is away. */
  | { readonly kind: "server-absent"; readonly server: ServerName; readonly process: string; readonly millis: number }

/** A fault, so many milliseconds after buyers were seen to be served again. */
export type Action = Fault & { readonly after: number }

/** How often buyers do what is out of the ordinary: probabilities. */
export interface Habits {
  /** Never pays. */
  readonly abandons: number
  /** Makes a transfer for an attempt that is given up: the money has to go back. */
  readonly paysLate: number
  /** Meets a provider that does not do what it should. */
  readonly meetsFault: number
  /** Closes the connection before the answer. */
  readonly hangsUp: number
  /** Sends a request again that was answered. */
  readonly repeats: number
  /** Does not ask again when an answer was lost. */
  readonly walksAway: number
}

export interface Schedule {
  readonly seed: number
  readonly buyers: number
  readonly habits: Habits
  readonly actions: ReadonlyArray<Action>
  /** For the buyers. */
  readonly random: Random.Random
}

const usual: Habits = { abandons: 0.15, paysLate: 0.12, meetsFault: 0.35, hangsUp: 0.15, repeats: 0.2, walksAway: 0.25 }

/** Points that few buyers lead to get more of those. */
const habitsFor = (points: ReadonlyArray<CrashPoint>): Habits => ({
  ...usual,
  ...(points.some((point) => point.startsWith("refund.")) ? { paysLate: 0.5, meetsFault: 0.7 } : {}),
  ...(points.some((point) => point.startsWith("resolver.")) ? { meetsFault: 0.7 } : {}),
  ...(points.includes("expiry.sealed") ? { abandons: 0.5 } : {})
})

const proxyFault = (random: Random.Random, kinds: readonly [ProxyFault["kind"], ...ReadonlyArray<ProxyFault["kind"]>]): ProxyFault => {
  const kind = random.pick(kinds)
  return kind === "latency" ? { kind, millis: random.between(50, 300) } : { kind }
}

type Draw = (random: Random.Random) => Fault

const processOf = (profile: Profile, random: Random.Random) => profile === "embedded" ? "marketplace" : random.pick(processNames)

const draws = (profile: Profile): readonly [Draw, ...ReadonlyArray<Draw>] => [
  (random) => ({ kind: "kill", process: processOf(profile, random) }),
  () => ({ kind: "postgres-kill" }),
  () => ({ kind: "postgres-terminate" }),
  (random) => ({
    kind: "database-proxy",
    fault: proxyFault(random, ["latency", "cut", "halfOpen", "swallow", "swallow"]),
    millis: random.between(500, 3000)
  }),
  (random) => ({
    kind: "provider-proxy",
    fault: proxyFault(random, ["latency", "cut", "halfOpen", "swallow", "swallow", "refuse"]),
    millis: random.between(1000, 4000)
  }),
  (random) => ({ kind: "provider-down", millis: random.between(1000, 4000) }),
  (random) => ({ kind: "clock", offset: random.pick([-3_600_000, -90_000, -20_000, 20_000, 90_000, 3_600_000]), millis: random.between(1000, 4000) }),
  (random) => ({ kind: "freeze", process: processOf(profile, random), millis: random.between(11_000, 13_000) })
]

const servers = ["kafka", "registry", "mongo", "redis"] as const
const needs = { kafka: "order", registry: "payment", mongo: "product", redis: "gateway" } as const

const drawsOfServers: readonly [Draw, ...ReadonlyArray<Draw>] = [
  (random) => ({ kind: "server-kill", server: random.pick(servers), millis: random.between(500, 4000) }),
  (random) => ({ kind: "server-freeze", server: random.pick(servers), millis: random.between(3000, 12_000) }),
  () => ({ kind: "redis-flush" }),
  (random) => {
    const server = random.pick(servers)
    return { kind: "server-absent", server, process: needs[server], millis: random.between(3000, 6000) }
  }
]

/**
 * What strikes in the run of this seed. Consecutive seeds go through the crash points in turn, two in each run, so that a
 * set of them reaches each equally often.
 */
export const make = (profile: Profile, seed: number): Schedule => {
  const random = Random.make(seed)
  const point = (n: number) => crashPoints[((n % crashPoints.length) + crashPoints.length) % crashPoints.length] ?? crashPoints[0]
  const points = [point(2 * seed), point(2 * seed + 1)]
  const crashes = points.map((point): Fault => ({ kind: "crash", point, pass: random.between(1, 3) }))
  const others = [random.pick(draws(profile)), ...(profile === "full" ? [random.pick(drawsOfServers)] : [])].map((draw) => draw(random))
  const [first, second] = crashes
  const faults = [first, ...others, second].flatMap((fault) => fault === undefined ? [] : [fault])
  return {
    seed,
    buyers: 5,
    habits: habitsFor(points),
    actions: faults.map((fault) => ({ ...fault, after: random.between(0, 500) })),
    random
  }
}
