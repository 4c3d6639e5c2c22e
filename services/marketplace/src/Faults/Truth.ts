import { basic, type Places } from "./Buyers.ts"
import { acknowledged, answerOf, contradictions, type Purchase } from "./History.ts"
import * as Http from "./Http.ts"

/** Something is away that should not be any more. */
export class CannotRead extends Error {}

const read = async (base: string, path: string, authorization: string): Promise<unknown> => {
  const outcome = await Http.send(base, { method: "GET", path, headers: { authorization } })
  if (outcome.kind === "answer" && outcome.status === 200) return outcome.body
  throw new CannotRead(`GET ${path}: ${outcome.kind === "answer" ? `${outcome.status} ${JSON.stringify(outcome.body)}` : outcome.why}`)
}

/** What the provider did for a payment, in its own books. */
export interface Movements {
  readonly captures: number
  readonly captured: number
  readonly refunded: number
}

/** The provider's journal from its beginning, by payment. */
export const journal = async ({ provider, providerSecret }: Places): Promise<ReadonlyMap<string, Movements>> => {
  const found = new Map<string, Movements>()
  for (let after = 0;;) {
    const page = await read(provider(), `/journal?after=${after}&limit=10000`, basic(providerSecret))
    const entries = Http.listAt(page, "entries")
    for (const entry of entries) {
      const id = Http.textAt(entry, "orderId")
      const amount = Number(Http.field(entry, "amount"))
      const { captured, captures, refunded } = found.get(id) ?? { captures: 0, captured: 0, refunded: 0 }
      const kind = Http.textAt(entry, "kind")
      found.set(id, {
        captures: captures + (kind === "CAPTURE" ? 1 : 0),
        captured: captured + (kind === "CAPTURE" ? amount : 0),
        refunded: refunded + (kind === "REFUND" ? amount : 0)
      })
      after = Number(Http.field(entry, "position"))
    }
    if (entries.length === 0) return found
  }
}

/** How often each fault struck that was planned at the provider for these purchases, by name. */
export const strikesOf = async ({ provider, providerSecret }: Places, purchases: ReadonlyArray<Purchase>): Promise<Readonly<Record<string, number>>> => {
  const counts: Record<string, number> = {}
  for (const { create, script } of purchases.flatMap(({ attempts }) => attempts)) {
    const id = Http.textAt(acknowledged(create)?.body, "id")
    if (script === undefined || id === "") continue
    for (const planned of Http.listAt(await read(provider(), `/script/${id}`, basic(providerSecret)), "faults")) {
      const name = Http.textAt(planned, "fault")
      counts[name] = (counts[name] ?? 0) + Number(Http.field(planned, "applied"))
    }
  }
  return counts
}

/** What a buyer's order list and payments show now. */
export interface Standing {
  readonly orders: ReadonlyArray<{ readonly id: string; readonly status: string; readonly total: number; readonly parts: number }>
  readonly payments: ReadonlyArray<{ readonly id: string; readonly orderId: string; readonly status: string; readonly amount: number }>
}

export const standingOf = async ({ gateway }: Places, { token }: Purchase): Promise<Standing> => {
  const bearer = `Bearer ${token}`
  const orders = Http.listAt(await read(gateway(), "/v1/orders?limit=100", bearer), "items").map((order) => ({
    id: Http.textAt(order, "id"),
    status: Http.textAt(order, "status"),
    total: Number(Http.field(order, "total", "amount")),
    parts: Http.listAt(order, "sellerOrders").length
  }))
  const payments: Array<Standing["payments"][number]> = []
  for (const { id } of orders) {
    for (const payment of Http.listAt(await read(gateway(), `/v1/payments?order=${id}`, bearer))) {
      payments.push({
        id: Http.textAt(payment, "id"),
        orderId: id,
        status: Http.textAt(payment, "status"),
        amount: Number(Http.field(payment, "amount", "amount"))
      })
    }
  }
  return { orders, payments }
}

const settledOrders = ["AWAITING_PAYMENT", "PLACED", "REJECTED", "EXPIRED", "CANCELLED"]
const settledPayments = ["READY", "PAID", "FAILED", "EXPIRED", "CANCELLED", "PAID_LATE"]

const none: Movements = { captures: 0, captured: 0, refunded: 0 }

const ofOrders = ({ place, sellers, total }: Purchase, { orders }: Standing): ReadonlyArray<string> => {
  const live = orders.filter(({ status }) => status !== "REJECTED")
  const answer = answerOf(place)
  const promised = acknowledged(place)
  const refusedId = answer !== undefined && promised === undefined ? Http.textAt(answer.body, "orderId") : ""
  return [
    ...(live.length > 1 ? [`${live.length} orders for one key`] : []),
    ...orders.filter(({ status }) => !settledOrders.includes(status)).map(({ id, status }) => `order ${id} is ${status}`),
    ...(promised !== undefined && live[0]?.id !== Http.textAt(promised.body, "id")
      ? [`order ${Http.textAt(promised.body, "id")} was acknowledged and is not there`]
      : []),
    ...(answer !== undefined && promised === undefined && live.length > 0 ? [`order ${live[0]?.id} is there and was refused`] : []),
    ...(refusedId !== "" && !orders.some(({ id }) => id === refusedId) ? [`order ${refusedId} was rejected and is not there`] : []),
    ...live.filter((order) => order.total !== total || order.parts !== sellers).map(({ id }) => `order ${id} is not what was ordered`)
  ]
}

const ofPayments = ({ attempts }: Purchase, { orders, payments }: Standing, moved: ReadonlyMap<string, Movements>): ReadonlyArray<string> => {
  const statusOf = (id: string) => payments.find((payment) => payment.id === id)?.status
  const paid = payments.filter(({ status }) => status === "PAID")
  return [
    ...payments.flatMap(({ amount, id, status }) => {
      const { captured, captures, refunded } = moved.get(id) ?? none
      const due = status === "PAID" ? amount : 0
      return [
        ...(settledPayments.includes(status) ? [] : [`payment ${id} is ${status}`]),
        ...(captures > 1 ? [`payment ${id} was charged ${captures} times`] : []),
        ...(captured - refunded === due ? [] : [`payment ${id} is ${status}, and the provider keeps ${captured - refunded} of it`])
      ]
    }),
    ...orders.flatMap(({ id, status }) => {
      const paidFor = paid.filter(({ orderId }) => orderId === id).length
      return paidFor === (status === "PLACED" ? 1 : 0) ? [] : [`order ${id} is ${status} with ${paidFor} payments`]
    }),
    ...attempts.flatMap(({ confirm, create }) => {
      const created = acknowledged(create)
      const id = created === undefined ? "" : Http.textAt(created.body, "id")
      const answer = confirm === undefined ? undefined : answerOf(confirm)
      const said = Http.textAt(answer?.body, "status")
      return [
        ...(answerOf(create)?.status === 404 ? [`${JSON.stringify(create.request.body)}: the order of this payment is not there`] : []),
        ...(created !== undefined && statusOf(id) === undefined ? [`payment ${id} was acknowledged and is not there`] : []),
        ...(answer?.status === 200 && said === "PAID" && statusOf(id) !== "PAID" ? [`payment ${id} was PAID and is ${statusOf(id)}`] : []),
        ...(answer?.status === 402 && (moved.get(id)?.captures ?? 0) > 0 ? [`payment ${id} was declined and charged`] : []),
        ...(answer?.status === 404 ? [`payment ${id} was acknowledged and cannot be confirmed: not there`] : [])
      ]
    })
  ]
}

/** What does not fit between what a buyer was told, what the marketplace shows and what the provider did. */
export const problemsOf = (purchase: Purchase, standing: Standing, moved: ReadonlyMap<string, Movements>): ReadonlyArray<string> => [
  ...ofOrders(purchase, standing),
  ...ofPayments(purchase, standing, moved),
  ...[purchase.place, ...purchase.attempts.flatMap(({ confirm, create }) => confirm === undefined ? [create] : [create, confirm])]
    .flatMap(contradictions)
]

/** Steps that may be taken after everything is settled: the time to pay goes on running. */
const mayBecome: Readonly<Record<string, ReadonlyArray<string>>> = { AWAITING_PAYMENT: ["EXPIRED"], READY: ["EXPIRED"] }

/** What changed although it was settled. */
export const changes = (before: Standing, after: Standing): ReadonlyArray<string> => {
  const now = new Map([...after.orders, ...after.payments].map(({ id, status }) => [id, status]))
  return [...before.orders, ...before.payments].flatMap(({ id, status }) => {
    const later = now.get(id)
    return later === status || (later !== undefined && mayBecome[status]?.includes(later) === true) ? [] : [`${id} was ${status} and is ${later ?? "gone"}`]
  })
}
