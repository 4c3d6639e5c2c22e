import { setTimeout as sleep } from "node:timers/promises"
import type { Offer } from "../Bench/Shop.ts"
import * as Buyers from "./Buyers.ts"
import { acknowledged, answerOf, type Purchase } from "./History.ts"
import * as Invariants from "./Invariants.ts"
import { type Marketplace, until } from "./Marketplace.ts"
import type { Action, Schedule } from "./Schedule.ts"
import { carryOut, type Strike } from "./Strikes.ts"
import * as Truth from "./Truth.ts"

/** What a run says while it goes on, a JSON line each. */
export type Tell = (line: Readonly<Record<string, unknown>>) => void

export interface Struck extends Strike {
  readonly action: Action
}

export interface Result {
  readonly seed: number
  readonly struck: ReadonlyArray<Struck>
  /** Empty when all is as it must be. */
  readonly problems: ReadonlyArray<string>
  /** Seconds from the end of the last fault until everything was settled. */
  readonly settledAfter: number
  /** How many operations ended in each way. */
  readonly operations: { readonly acknowledged: number; readonly refused: number; readonly unknown: number }
  /** How often each of the faults planned at the provider struck. */
  readonly providerFaults: Readonly<Record<string, number>>
}

/** Milliseconds from healing within which everything has to be settled. */
const bound = 60_000

const operationsOf = ({ attempts, place }: Purchase) =>
  [place, ...attempts.flatMap(({ confirm, create }) => confirm === undefined ? [create] : [create, confirm])]

const countOf = (purchases: ReadonlyArray<Purchase>) => {
  const operations = purchases.flatMap(operationsOf)
  const of = (holds: (one: ReturnType<typeof operationsOf>[number]) => boolean) => operations.filter(holds).length
  return {
    acknowledged: of((one) => acknowledged(one) !== undefined),
    refused: of((one) => answerOf(one) !== undefined && acknowledged(one) === undefined),
    unknown: of((one) => answerOf(one) === undefined)
  }
}

/** What a buyer who is still there last heard. */
const pending = (purchase: Purchase): ReadonlyArray<string> => {
  const last = operationsOf(purchase).at(-1)
  return purchase.over || last === undefined ? [] : [`a buyer waits: ${last.name} ${last.request.path}: ${JSON.stringify(last.outcomes.at(-1))}`]
}

/** Looks again and again at what does not fit yet, until all fits or the time is over. */
const settle = async (marketplace: Marketplace, places: Buyers.Places, purchases: ReadonlyArray<Purchase>, waits: (problems: ReadonlyArray<string>) => void) => {
  const end = performance.now() + bound
  let tellAt = performance.now() + 15_000
  let open = purchases
  const standings = new Map<Purchase, Truth.Standing>()
  for (;;) {
    let problems: Array<string> = []
    try {
      const moved = await Truth.journal(places)
      const still: Array<Purchase> = []
      for (const purchase of open) {
        const standing = await Truth.standingOf(places, purchase)
        const found = Truth.problemsOf(purchase, standing, moved)
        standings.set(purchase, standing)
        if (found.length > 0) still.push(purchase)
        problems.push(...found)
      }
      // Only once they all fit, all are looked at again.
      if (problems.length === 0) problems.push(...await Invariants.violatedNow(marketplace))
      open = still
    } catch (error) {
      if (!(error instanceof Truth.CannotRead)) throw error
      problems = [error.message]
    }
    if (problems.length === 0 || performance.now() > end) return { problems, standings }
    if (performance.now() > tellAt) {
      waits(problems.slice(0, 3))
      tellAt += 15_000
    }
    await sleep(500)
  }
}

/** Those who left without an answer ask again: it has to fit what is there. */
const askAgain = async (places: Buyers.Places, purchases: ReadonlyArray<Purchase>, end: number) => {
  const open = purchases.flatMap(operationsOf).filter((one) => answerOf(one) === undefined)
  await Promise.all(open.map((one) => Buyers.insist(places, one, () => performance.now() < end)))
  return open.filter((one) => answerOf(one) === undefined).map((one) => `${one.name} ${one.request.path} is not answered: ${JSON.stringify(one.outcomes.at(-1))}`)
}

const standingsNow = async (places: Buyers.Places, purchases: ReadonlyArray<Purchase>) => {
  const all = new Map<Purchase, Truth.Standing>()
  for (const purchase of purchases) all.set(purchase, await Truth.standingOf(places, purchase))
  return all
}

const changed = (before: ReadonlyMap<Purchase, Truth.Standing>, after: ReadonlyMap<Purchase, Truth.Standing>) =>
  [...before].flatMap(([purchase, standing]) => Truth.changes(standing, after.get(purchase) ?? standing))

/** Everything that faults changed is as it was before them. */
const heal = async ({ databaseProxy, orders, providerProxy }: Marketplace) => {
  orders.disarm()
  orders.setClock(0)
  await databaseProxy.set(undefined)
  await providerProxy.set(undefined)
}

export interface Options {
  readonly marketplace: Marketplace
  readonly schedule: Schedule
  readonly offers: ReadonlyArray<Offer>
  readonly tokens: () => Promise<string>
  readonly tell: Tell
}

/** Buyers come, the faults of the schedule strike one after the other, all is healed, and then everything has to fit. */
export const run = async ({ marketplace, offers, schedule, tell, tokens }: Options): Promise<Result> => {
  const { actions, buyers, habits, random, seed } = schedule
  const places: Buyers.Places = { gateway: marketplace.gateway, provider: marketplace.provider, providerSecret: marketplace.providerSecret() }
  const crowd = Buyers.open({ places, offers, tokens, habits, buyers, random })
  const served = () => crowd.purchases.filter(({ place }) => acknowledged(place) !== undefined).length
  const problems: Array<string> = []
  const struck: Array<Struck> = []

  for (const action of actions) {
    const before = served()
    if (!(await until(bound, async () => served() > before && await marketplace.serves()))) {
      problems.push(`nobody was served for ${bound / 1000} s before ${JSON.stringify(action)}`)
      break
    }
    await sleep(action.after)
    const begun = performance.now()
    const result: Struck = { action, ...await carryOut(marketplace, action) }
    struck.push(result)
    tell({ seed, ...action, hit: result.hit, proof: result.proof, took: Math.round(performance.now() - begun) })
  }

  await heal(marketplace)
  const healed = performance.now()
  const waits = (problems: ReadonlyArray<string>) => tell({ seed, waitsFor: problems, since: Math.round((performance.now() - healed) / 1000) })
  if (!(await until(bound, marketplace.serves))) problems.push("it does not serve within 60 s")
  const left = crowd.close()
  for (let n = 0; n < 4 && !(await Promise.race([left.then(() => true), sleep(bound / 4, false)])); n++) waits(crowd.purchases.flatMap(pending))
  const counted = countOf(crowd.purchases)
  const settled = await settle(marketplace, places, crowd.purchases, waits)
  problems.push(...settled.problems)
  const settledAfter = (performance.now() - healed) / 1000
  if (settledAfter > bound / 1000 && problems.length === 0) problems.push(`it took ${settledAfter.toFixed(1)} s to settle`)

  if (problems.length === 0) {
    problems.push(...await askAgain(places, crowd.purchases, performance.now() + bound))
    const after = await standingsNow(places, crowd.purchases)
    problems.push(...changed(settled.standings, after))
    // What was asked again may have begun something new.
    problems.push(...(await settle(marketplace, places, crowd.purchases, waits)).problems)
  }
  problems.push(...await Invariants.verify(marketplace))

  const providerFaults = await Truth.strikesOf(places, crowd.purchases).catch((error: unknown) => {
    problems.push(String(error))
    return {}
  })
  return { seed, struck, problems, settledAfter, operations: counted, providerFaults }
}
