import { assert, describe, it } from "@effect/vitest"
import { crashPoints } from "@marketplace/postgres/CrashPoints"
import { operation } from "../src/Faults/Buyers.ts"
import type { Purchase } from "../src/Faults/History.ts"
import type { Outcome } from "../src/Faults/Http.ts"
import * as Schedule from "../src/Faults/Schedule.ts"
import { changes, type Movements, problemsOf, type Standing } from "../src/Faults/Truth.ts"

describe("a schedule", () => {
  it.each(["embedded", "full"] as const)("is the same for the same seed (%s)", (profile) => {
    for (const seed of [1, 7, 12_345]) {
      const [first, second] = [Schedule.make(profile, seed), Schedule.make(profile, seed)]
      assert.deepStrictEqual([first.actions, first.habits], [second.actions, second.habits])
      assert.strictEqual(first.random.next(), second.random.next())
    }
    assert.notDeepEqual(Schedule.make(profile, 1).actions, Schedule.make(profile, 2).actions)
  })

  it("85 seeds in a row strike at each crash point ten times", () => {
    const counts = new Map<string, number>()
    for (let seed = 1; seed <= 85; seed++) {
      for (const action of Schedule.make("embedded", seed).actions) {
        if (action.kind === "crash") counts.set(action.point, (counts.get(action.point) ?? 0) + 1)
      }
    }
    assert.deepStrictEqual(crashPoints.map((point) => counts.get(point)), crashPoints.map(() => 10))
  })
})

const answer = (status: number, body: unknown): Outcome => ({ kind: "answer", status, body, replayed: false })
const lost: Outcome = { kind: "lost", why: "cut" }

interface Told {
  readonly place?: ReadonlyArray<Outcome>
  readonly create?: ReadonlyArray<Outcome>
  readonly confirm?: ReadonlyArray<Outcome>
}

/** One order of two sellers for 1000, paid; `told` says what else its buyer was told. */
const purchase = ({ confirm = [answer(200, { status: "PAID" })], create = [answer(201, { id: "p" })], place = [answer(201, { id: "o" })] }: Told = {}): Purchase => ({
  token: "",
  total: 1000,
  sellers: 2,
  place: Object.assign(operation("place", "", "", "/v1/orders", {}), { outcomes: place }),
  attempts: [{
    create: Object.assign(operation("create", "", "", "/v1/payments", {}), { outcomes: create }),
    confirm: Object.assign(operation("confirm", "", "", "/v1/payments/p/confirmation", {}), { outcomes: confirm }),
    script: undefined,
    late: false
  }],
  over: true
})

const standing = (order: Partial<Standing["orders"][number]> = {}, payment: Partial<Standing["payments"][number]> = {}): Standing => ({
  orders: [{ id: "o", status: "PLACED", total: 1000, parts: 2, ...order }],
  payments: [{ id: "p", orderId: "o", status: "PAID", amount: 1000, ...payment }]
})

const moved = (of: Partial<Movements> = {}) => new Map([["p", { captures: 1, captured: 1000, refunded: 0, ...of }]])

describe("the history", () => {
  it("fits what is there and what the provider did", () => {
    assert.deepStrictEqual(problemsOf(purchase(), standing(), moved()), [])
    assert.deepStrictEqual(problemsOf(purchase({ place: [lost, answer(503, {})], create: [lost], confirm: [lost] }), standing(), moved()), [])
    assert.deepStrictEqual(
      problemsOf(purchase({ confirm: [lost] }), standing({ status: "EXPIRED" }, { status: "PAID_LATE" }), moved({ refunded: 1000 })),
      []
    )
  })

  const declined = answer(402, { type: "/problems/payment-declined", traceId: "a" })
  const lies: ReadonlyArray<readonly [what: string, Purchase, Standing, ReadonlyMap<string, Movements>]> = [
    ["an acknowledged order that is lost", purchase(), { orders: [], payments: [] }, new Map()],
    ["another order than the acknowledged one", purchase(), standing({ id: "other" }, { orderId: "other" }), moved()],
    ["two orders for one key", purchase(), { ...standing(), orders: [...standing().orders, { id: "o2", status: "EXPIRED", total: 1000, parts: 2 }] }, moved()],
    ["an order that was refused", purchase({ place: [answer(409, {})] }), standing(), moved()],
    ["a rejected order that is lost", purchase({ place: [answer(409, { orderId: "o" })] }), { orders: [], payments: [] }, new Map()],
    ["an order that is still being placed", purchase({ place: [lost] }), standing({ status: "PLACING" }, { status: "READY" }), new Map()],
    ["an order without one of its sellers", purchase(), standing({ parts: 1 }), moved()],
    ["an order for another sum", purchase(), standing({ total: 999 }), moved()],
    ["an acknowledged payment that is lost", purchase(), { ...standing({ status: "EXPIRED" }), payments: [] }, new Map()],
    ["a paid order that is not placed", purchase(), standing({ status: "AWAITING_PAYMENT" }), moved()],
    ["a placed order that nobody paid", purchase({ confirm: [lost] }), standing({}, { status: "READY" }), new Map()],
    ["a payment that was PAID and is not", purchase(), standing({ status: "EXPIRED" }, { status: "FAILED" }), new Map()],
    ["a payment of unknown outcome", purchase({ confirm: [lost] }), standing({ status: "AWAITING_PAYMENT" }, { status: "UNKNOWN" }), new Map()],
    ["a buyer who was charged twice", purchase(), standing(), moved({ captures: 2, captured: 2000 })],
    ["money that was taken and forgotten", purchase({ confirm: [lost] }), standing({ status: "EXPIRED" }, { status: "EXPIRED" }), moved()],
    ["a paid order without money", purchase(), standing(), new Map()],
    ["a refund of half", purchase({ confirm: [lost] }), standing({ status: "EXPIRED" }, { status: "PAID_LATE" }), moved({ refunded: 500 })],
    ["a declined payment that was charged", purchase({ confirm: [declined] }), standing({ status: "EXPIRED" }, { status: "PAID_LATE" }), moved({ refunded: 1000 })],
    ["two answers to one key", purchase({ place: [answer(201, { id: "o" }), answer(201, { id: "o", total: 1 })] }), standing(), moved()],
    ["a key that is refused to its own buyer", purchase({ place: [answer(422, { type: "/problems/idempotency-key-reused" })] }), { orders: [], payments: [] }, new Map()]
  ]
  it.each(lies)("does not fit %s", (_, told, shown, done) => {
    assert.isNotEmpty(problemsOf(told, shown, done))
  })

  it("takes the name of the trace for no difference", () => {
    const again = answer(402, { type: "/problems/payment-declined", traceId: "b" })
    const told = purchase({ confirm: [declined, again] })
    assert.deepStrictEqual(problemsOf(told, standing({ status: "EXPIRED" }, { status: "FAILED" }), new Map()), [])
  })

  it("takes a deadline that passes for no change, and everything else for one", () => {
    const waiting = standing({ status: "AWAITING_PAYMENT" }, { status: "READY" })
    assert.deepStrictEqual(changes(waiting, standing({ status: "EXPIRED" }, { status: "EXPIRED" })), [])
    assert.isNotEmpty(changes(standing(), standing({}, { status: "FAILED" })))
    assert.isNotEmpty(changes(standing(), { orders: [], payments: [] }))
  })
})
