import { Effect } from "effect"
import { connect, must, run, type Timing } from "./Load.ts"
import type { Counts } from "./Observed.ts"
import type { Usage } from "./ProcessTree.ts"
import { browse, type Buyer, freshBuyers, type Offer, order, pastTheCache, purchase, text, untilPlaced, untilSold } from "./Shop.ts"

/** The marketplace under test. */
export interface Target<E> {
  readonly gatewayUrl: string
  readonly simulatorUrl: string
  readonly usage: Effect.Effect<Usage, E>
  readonly counts: Effect.Effect<Counts>
}

/** All but times and rates is per operation. */
export interface Result extends Timing, Partial<Counts> {
  readonly connections: number
  /** CPU milliseconds, all server processes together. */
  readonly cpu: number
}

/** Measures what the servers spend on an operation, until all that it set off is done as well. */
const measured = Effect.fnUntraced(function*<E>(target: Target<E>, connections: number, work: () => Promise<Timing>) {
  const done = yield* target.counts
  const before = yield* target.usage
  const timing = yield* Effect.promise(work)
  const after = yield* target.usage
  const { calls, statements, transactions } = yield* target.counts
  const each = (sum: number) => sum / timing.operations
  const since = (now: number | undefined, then: number | undefined) =>
    now === undefined || then === undefined ? undefined : each(now - then)
  return {
    ...timing,
    connections,
    cpu: each(after.cpu - before.cpu),
    requests: each(timing.requests),
    calls: since(calls, done.calls),
    statements: since(statements, done.statements),
    transactions: since(transactions, done.transactions)
  }
})

const pick = <A>(list: ReadonlyArray<A>, n: number): A => {
  const found = list[n % list.length]
  if (found === undefined) throw new Error("the catalogue is empty")
  return found
}

/** Spreads over all of a list without a random number: neighbours in time are far apart. */
const scatter = (n: number, size: number) => (n * 7919) % size

export const catalogue = (gatewayUrl: string) =>
  Effect.promise(async () => {
    const connection = connect(gatewayUrl)
    try {
      return await browse(connection)
    } finally {
      connection.close()
    }
  })

const nothing = Effect.succeed({ statements: undefined, transactions: undefined, calls: undefined })

/** Y1. */
export const constant = <E>(url: string, usage: Effect.Effect<Usage, E>, connections: number, count: number) =>
  measured({ gatewayUrl: url, simulatorUrl: url, usage, counts: nothing }, connections, () =>
    run(url, { connections, count }, async (connection) => {
      const answer = await connection.send("GET", "/")
      must(answer.status === 200 && text(answer.body, "text").length === 900, "constant", answer)
    }))

/** W1: a product by its id, every one as often as any other. */
export const readProduct = <E>(
  target: Target<E>,
  offers: ReadonlyArray<Offer>,
  connections: number,
  count: number,
  headers: Readonly<Record<string, string>> = {}
) =>
  measured(target, connections, () =>
    run(target.gatewayUrl, { connections, count }, async (connection, n) => {
      const { id } = pick(offers, scatter(n, offers.length))
      const answer = await connection.send("GET", `/v1/products/${id}`, undefined, headers)
      must(answer.status === 200 && text(answer.body, "id") === id, "product", answer)
    }))

/** The same, each time by the product service. */
export const readProductPastTheCache = <E>(target: Target<E>, offers: ReadonlyArray<Offer>, connections: number, count: number) =>
  readProduct(target, offers, connections, count, pastTheCache)

/**
 * W3: a purchase of two sellers' goods by somebody who was never here. Measured until the last one is PLACED and its stock is
 * sold; afterwards every one is looked at.
 */
export const purchases = Effect.fnUntraced(function*<E>(target: Target<E>, offers: ReadonlyArray<Offer>, connections: number, count: number, name: string) {
  const buyers = yield* freshBuyers(count)
  const placed: Array<{ readonly buyer: Buyer; readonly orderId: string }> = []
  const result = yield* measured(target, connections, async () => {
    const simulators = Array.from({ length: connections }, () => connect(target.simulatorUrl))
    const timing = await run(target.gatewayUrl, { connections, count }, async (connection, n) => {
      const buyer: Buyer = { token: pick(buyers, n), run: name }
      const first = pick(offers, scatter(n, offers.length))
      const second = pick(offers, scatter(n, offers.length) + 1)
      placed.push({ buyer, orderId: await purchase(connection, pick(simulators, n), buyer, [first, second]) })
    })
    for (const simulator of simulators) simulator.close()
    await settled(target.gatewayUrl, placed.slice(-connections), pick(offers, scatter(count - 1, offers.length)))
    return { ...timing, requests: simulators.reduce((sum, { sent }) => sum + sent(), timing.requests) }
  })
  yield* Effect.promise(() => settled(target.gatewayUrl, placed, undefined))
  return result
})

/** Waits until these orders are PLACED and the stock of a product is sold. */
const settled = async (
  gatewayUrl: string,
  placed: ReadonlyArray<{ readonly buyer: Buyer; readonly orderId: string }>,
  offer: Offer | undefined
) => {
  const connection = connect(gatewayUrl)
  for (const { buyer, orderId } of placed) await untilPlaced(connection, buyer, orderId)
  if (offer !== undefined) await untilSold(connection, offer, 1)
  connection.close()
}

/** W4: so many buyers for one product with fewer units; exactly the units are sold. */
export const flashSale = Effect.fnUntraced(function*<E>(target: Target<E>, offer: Offer, units: number, buyersCount: number) {
  const buyers = yield* freshBuyers(buyersCount)
  let sold = 0
  let refused = 0
  const result = yield* measured(target, 32, () =>
    run(target.gatewayUrl, { connections: 32, count: buyersCount }, async (connection, n) => {
      const answer = await order(connection, { token: pick(buyers, n), run: "flash" }, [offer])
      if (answer.status === 201) sold++
      else {
        must(answer.status === 409 && ["/problems/order-rejected", "/problems/not-sellable"].includes(text(answer.body, "type")), "flash sale", answer)
        refused++
      }
    }))
  return { ...result, sold, refused, exact: sold === units && refused === buyersCount - units }
})
