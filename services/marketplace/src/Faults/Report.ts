import { crashPoints } from "@marketplace/postgres/CrashPoints"
import type { Result, Struck } from "./Run.ts"

/** A run that says nothing: one of its faults did not hit. */
export const isVoid = ({ problems, struck }: Result): boolean => problems.length === 0 && struck.some(({ hit }) => !hit)

export const isFailed = ({ problems }: Result): boolean => problems.length > 0

const nameOf = ({ action }: Struck): string => {
  switch (action.kind) {
    case "crash":
      return action.point
    case "database-proxy":
    case "provider-proxy":
      return `${action.kind} ${action.fault.kind}`
    case "kill":
    case "freeze":
      return `${action.kind} ${action.process}`
    case "server-kill":
    case "server-freeze":
    case "server-absent":
      return `${action.kind} ${action.server}`
    default:
      return action.kind
  }
}

const listed = (counts: Iterable<readonly [string, number]>) => [...counts].map(([name, count]) => `${name} ${count}`).join(", ")

/** How often each fault hit, in runs that count; all crash points are there. */
export const strikesOf = (results: ReadonlyArray<Result>): ReadonlyMap<string, number> => {
  const strikes = new Map<string, number>(crashPoints.map((point) => [point, 0]))
  for (const { struck } of results.filter((result) => !isVoid(result))) {
    for (const one of struck) if (one.hit) strikes.set(nameOf(one), (strikes.get(nameOf(one)) ?? 0) + 1)
  }
  return strikes
}

/** Crash points that were struck less often than that. */
export const tooSeldom = (results: ReadonlyArray<Result>, least: number): ReadonlyArray<string> => {
  const strikes = strikesOf(results)
  return crashPoints.filter((point) => (strikes.get(point) ?? 0) < least)
}

/** For people: how often each fault hit in runs that count, and how to repeat those that failed. */
export const render = (profile: string, results: ReadonlyArray<Result>): string => {
  const strikes = strikesOf(results)
  const planned = new Map<string, number>()
  for (const { providerFaults } of results.filter((result) => !isVoid(result))) {
    for (const [name, count] of Object.entries(providerFaults)) planned.set(name, (planned.get(name) ?? 0) + count)
  }
  const failed = results.filter(isFailed)
  const idle = results.filter(isVoid)
  const slowest = Math.max(0, ...results.map(({ settledAfter }) => settledAfter))
  const operations = (of: keyof Result["operations"]) => results.reduce((sum, { operations }) => sum + operations[of], 0)
  return [
    `${results.length} runs, ${failed.length} failed, ${idle.length} do not count because a fault did not hit; ` +
      `settled after at most ${slowest.toFixed(1)} s`,
    `operations: ${operations("acknowledged")} acknowledged, ${operations("refused")} refused, ${operations("unknown")} unknown`,
    `strikes per point: ${listed(strikes)}`,
    `at the provider: ${listed(planned)}`,
    ...failed.map(({ seed }) => `repeat with: node marketplace.mjs faults --profile ${profile} --seed ${seed} --runs 1`)
  ].join("\n")
}
