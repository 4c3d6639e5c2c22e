import { assert } from "@effect/vitest"
import { Effect, Struct } from "effect"
import { SqlClient } from "effect/sql"
import type { OrderId } from "@marketplace/domain/Order/Ids"
import type { PaymentId } from "@marketplace/domain/Payment/Ids"
import { type EventContext, published } from "@marketplace/schema/Topology"
import { check } from "../../src/Verify/Check.ts"
import { invariants } from "../../src/Verify/Invariants.ts"
import { postgres } from "../../src/Verify/Sources.ts"
import { eventually, type Offer } from "./Shopping.ts"
import { World } from "./World.ts"

const sql = Effect.map(World, (world) => world.sql)

export const stockOf = Effect.fnUntraced(function*({ variantId }: Offer) {
  const [stock] = yield* (yield* sql)<{ readonly onHand: number; readonly held: number; readonly committed: number }>`
    select on_hand, held, committed from product_service.stock where variant_id = ${variantId}`
  assert.isDefined(stock)
  return stock!
})

/** What a payment did to the ledger's accounts. */
export const balancesOf = Effect.fnUntraced(function*({ id }: { readonly id: PaymentId }) {
  const entries = yield* (yield* sql)<{ readonly account: string; readonly amount: number }>`
    select account, sum(amount)::int as amount from payment_service.ledger_transfer t
    join payment_service.ledger_entry e on e.transfer_id = t.id where payment_id = ${id} group by account order by account`
  return Object.fromEntries(entries.map(({ account, amount }) => [account, amount]))
})

/** Every order in which goods are wanted, whatever became of it. */
export const ordersOf = Effect.fnUntraced(function*({ variantId }: Offer) {
  return yield* (yield* sql)<{ readonly id: OrderId; readonly status: string }>`
    select o.id, o.status from order_service.orders o join order_service.order_line l on l.order_id = o.id
    where l.variant_id = ${variantId} order by o.id`
})

/** The deadline of an unpaid order is over now. */
export const deadlinePasses = Effect.fnUntraced(function*({ id }: { readonly id: OrderId }) {
  yield* (yield* sql)`update order_service.orders set payment_deadline = now(), due_at = now() where id = ${id}`
})

/** Nobody is at work on these any more, as after a crash: they are due now. */
export const abandonedOrder = Effect.fnUntraced(function*({ id }: { readonly id: OrderId }) {
  yield* (yield* sql)`update order_service.orders set due_at = now() where id = ${id}`
})

const contexts = Struct.keys(published)

/** What must be so of everything that happened, as an operator's `verify` sees it. */
const broken = Effect.gen(function*() {
  const run = yield* sql
  const [now] = yield* run<{ readonly settled: string }>`select clock_timestamp()::text as settled`
  const { findings, unchecked } = yield* check(invariants, { since: "-infinity", settled: now!.settled }, postgres).pipe(
    Effect.provideService(SqlClient.SqlClient, run)
  )
  assert.deepStrictEqual(unchecked, [])
  return findings.flatMap(({ invariant, rows }) => rows.map((row) => `${invariant.name}: ${JSON.stringify(row)}`))
})

/** What waits for somebody or something. */
const underWay = Effect.gen(function*() {
  const run = yield* sql
  const rows = yield* run`
    select 'order' as what, id::text from order_service.orders where status = 'PLACING'
    union all
    select 'payment', id::text from payment_service.payment where status in ('CREATED', 'CONFIRMING', 'UNKNOWN', 'MANUAL_REVIEW')
    union all
    select 'refund', id::text from payment_service.refund where status <> 'SUCCEEDED'
    union all
    select 'request for an order', key from order_service.idempotency where status is null
    union all
    select 'request for a payment', key from payment_service.idempotency where status is null`
  return rows.map((row) => `under way: ${JSON.stringify(row)}`)
})

/** What the provider kept, what the ledger holds for others, and what the placed orders cost: three books of the same money. */
const sums = Effect.gen(function*() {
  const run = yield* sql
  const [found] = yield* run<{ readonly provider: number; readonly ledger: number; readonly orders: number }>`
    select
      (select coalesce(sum(case kind when 'CAPTURE' then amount when 'REFUND' then -amount else 0 end), 0)::int
        from simulator.entry) as provider,
      (select coalesce(sum(amount), 0)::int from payment_service.ledger_entry where account = 'ESCROW') as ledger,
      (select coalesce(sum(total), 0)::int from order_service.orders where status = 'PLACED') as orders`
  const { ledger, orders, provider } = found!
  return provider === ledger && ledger === orders ? [] : [JSON.stringify(found)]
})

/** Waits until nothing is under way, and finds everything in order. */
export const agree = Effect.gen(function*() {
  yield* eventually(Effect.map(Effect.all([underWay, sums, broken]), (found) => found.flat()), (found) => found.length === 0)
})

/** The names of the events that a context has told so far. */
export const told = Effect.fnUntraced(function*(context: EventContext) {
  const run = yield* sql
  const rows = yield* run<{ readonly type: string }>`
    select distinct type from ${run.literal(`${context}_service.outbox`)} order by type`
  return rows.map(({ type }) => type)
})

/** The names of the events that took effect at a consumer so far. */
export const acted = Effect.fnUntraced(function*(consumer: EventContext) {
  const run = yield* sql
  const rows = yield* Effect.forEach(contexts, (context) =>
    run<{ readonly type: string }>`select distinct l.type from ${run.literal(`events.${context}_log`)} l
      join ${run.literal(`${consumer}_service`)}.inbox i on i.event_id = l.event_id`)
  return rows.flat().map(({ type }) => type).sort()
})
