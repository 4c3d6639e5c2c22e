import { setTimeout as sleep } from "node:timers/promises"
import type { Offer } from "../Bench/Shop.ts"
import { acknowledged, answerOf, type Attempt, isFinal, type Operation, type Purchase } from "./History.ts"
import * as Http from "./Http.ts"
import type { Random } from "./Random.ts"
import type { Habits } from "./Schedule.ts"

/** Where buyers find the marketplace and the provider now; both may move when they are started again. */
export interface Places {
  readonly gateway: () => string
  readonly provider: () => string
  readonly providerSecret: string
}

export interface Crowd {
  /** What everybody has done so far; grows. */
  readonly purchases: ReadonlyArray<Purchase>
  /** Nobody new comes; resolves when everybody there has left. */
  readonly close: () => Promise<void>
}

export interface Options {
  readonly places: Places
  readonly offers: ReadonlyArray<Offer>
  /** Of members who never were here before; one for each purchase. */
  readonly tokens: () => Promise<string>
  readonly habits: Habits
  /** How many are there at a time. */
  readonly buyers: number
  readonly random: Random
}

const retryPause = 250
/** After so many requests without an answer a buyer is lost for good. */
const mostRequests = 200

/** How a merchant shows the provider who he is. */
export const basic = (secret: string) => `Basic ${Buffer.from(`${secret}:`).toString("base64")}`

const faultsOfProvider = [
  "TIME_OUT", "CAPTURE_TIME_OUT", "CAPTURE_SERVER_ERROR", "SERVER_ERROR", "CAPTURE_CUT", "SLOW", "NOT_FOUND", "DECLINE"
] as const

export const operation = (name: Operation["name"], token: string, key: string, path: string, body: unknown): Operation => ({
  name,
  request: { method: "POST", path, body, headers: { authorization: `Bearer ${token}`, "idempotency-key": key } },
  outcomes: [],
  walkedAway: false
})

/** Sends it again and again until there is an answer for good, or the time is over. */
export const insist = async (places: Places, one: Operation, until: () => boolean): Promise<void> => {
  while (answerOf(one) === undefined && until()) {
    one.outcomes.push(await Http.send(places.gateway(), one.request))
    if (answerOf(one) === undefined) await sleep(retryPause)
  }
}

/** Buyers, one after the other at each of so many places, until the shop is closed. */
export const open = ({ buyers, habits, offers, places, random, tokens }: Options): Crowd => {
  const purchases: Array<Purchase> = []
  let isOpen = true

  /** One thing a buyer wants; with a habit of hanging up, asking again, or leaving it at that. */
  const want = async (one: Operation, own: Random, insistsAlways = false) => {
    const hangUpAfter = own.chance(habits.hangsUp) ? own.between(1, 60) : undefined
    const walksAway = !insistsAlways && own.chance(habits.walksAway)
    const repeats = own.chance(habits.repeats)
    one.outcomes.push(await Http.send(places.gateway(), one.request, hangUpAfter === undefined ? {} : { hangUpAfter }))
    if (answerOf(one) === undefined && walksAway) {
      one.walkedAway = true
      return undefined
    }
    await insist(places, one, () => one.outcomes.length < mostRequests)
    if (repeats) one.outcomes.push(await Http.send(places.gateway(), one.request))
    return acknowledged(one)
  }

  const script = async (paymentId: string, fault: string) => {
    const planned = await Http.send(places.provider(), {
      method: "PUT",
      path: `/script/${paymentId}`,
      headers: { authorization: basic(places.providerSecret) },
      body: { faults: [{ fault, times: 1, delayMillis: 2500 }, ...(fault === "NOT_FOUND" ? [{ fault: "CAPTURE_CUT", times: 1 }] : [])] }
    })
    return isFinal(planned) && planned.status === 200 ? fault : undefined
  }

  /** What the buyer does at the provider; its key, or nothing when it could not be done. */
  const approve = async (payment: unknown, method: string) => {
    const body = {
      paymentId: Http.textAt(payment, "id"),
      amount: Http.field(payment, "amount", "amount"),
      currency: Http.textAt(payment, "amount", "currency"),
      method
    }
    for (let n = 0; n < mostRequests; n++) {
      const approved = await Http.send(places.provider(), { method: "POST", path: "/checkout/approvals", body })
      if (approved.kind === "answer" && approved.status === 200) return Http.textAt(approved.body, "paymentKey")
      await sleep(retryPause)
    }
    return undefined
  }

  const startToPay = async (purchase: Purchase, own: Random, key: string, orderId: string, late: boolean) => {
    const method = late ? "TRANSFER" : "CARD"
    const attempt: Attempt = {
      create: operation("create", purchase.token, `${key}-create`, "/v1/payments", { orderId, method }),
      confirm: undefined,
      script: undefined,
      late
    }
    purchase.attempts.push(attempt)
    const created = await want(attempt.create, own, late)
    if (created === undefined) return undefined
    const fault = late ? own.pick(["REFUND_TIME_OUT", "REFUND_FAIL"]) : own.pick(faultsOfProvider)
    if (own.chance(habits.meetsFault)) attempt.script = await script(Http.textAt(created.body, "id"), fault)
    const paymentKey = await approve(created.body, method)
    if (paymentKey === undefined) return undefined
    const finish = () => {
      attempt.confirm = operation("confirm", purchase.token, `${key}-confirm`, `/v1/payments/${Http.textAt(created.body, "id")}/confirmation`, {
        providerPaymentKey: paymentKey,
        amount: Http.field(created.body, "amount")
      })
      return want(attempt.confirm, own, late)
    }
    return finish
  }

  const buy = async (own: Random, key: string) => {
    const token = await tokens()
    const first = offers[own.between(0, offers.length - 1)]
    const others = offers.filter(({ seller }) => seller !== first?.seller)
    const second = own.chance(0.5) ? others[own.between(0, others.length - 1)] : undefined
    const wanted = [first, second].flatMap((offer) => offer === undefined ? [] : [offer])
    const total = wanted.reduce((sum, { price }) => sum + price.amount, 0)
    const place = operation("place", token, `${key}-place`, "/v1/orders", {
      lines: wanted.map(({ variantId }) => ({ variantId, quantity: 1 })),
      expectedTotal: { amount: total, currency: wanted[0]?.price.currency }
    })
    const purchase: Purchase = { token, total, sellers: wanted.length, place, attempts: [], over: false }
    purchases.push(purchase)
    try {
      const placed = await want(place, own)
      if (placed === undefined || own.chance(habits.abandons)) return
      const orderId = Http.textAt(placed.body, "id")
      const late = own.chance(habits.paysLate) ? await startToPay(purchase, own, `${key}-late`, orderId, true) : undefined
      const finish = await startToPay(purchase, own, key, orderId, false)
      await late?.()
      await finish?.()
    } finally {
      purchase.over = true
    }
  }

  const standing = async (own: Random, n: number) => {
    for (let count = 0; isOpen; count++) {
      await buy(own, `buyer-${n}-${count}`)
      await sleep(own.between(20, 200))
    }
  }
  const all = Promise.all(Array.from({ length: buyers }, (_, n) => standing(random.split(), n)))

  return {
    purchases,
    close: async () => {
      isOpen = false
      await all
    }
  }
}
