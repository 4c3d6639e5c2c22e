import { assert } from "@effect/vitest"
import { Effect, Struct } from "effect"
import type { OrderId } from "@marketplace/domain/Order/Ids"
import type { PaymentId } from "@marketplace/domain/Payment/Ids"
import { consumed, type EventContext, published } from "@marketplace/schema/Topology"
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

/**
 * What must be so once nothing is under way, whatever happened before; each line is a way to break it. `docs/` and the
 * operator's `verify` have the same rules.
 */
const violations = Effect.gen(function*() {
  const run = yield* sql
  const none = (what: string, query: Effect.Effect<ReadonlyArray<unknown>, unknown>) =>
    Effect.map(query, (rows) => rows.map((row) => `${what}: ${JSON.stringify(row)}`))
  const found = yield* Effect.all([
    none("a transfer does not sum to zero", run`
      select transfer_id from payment_service.ledger_entry group by transfer_id, currency having sum(amount) <> 0`),
    none("ledger and provider differ", run`
      select l.payment_id, l.kind, l.amount, e.order_id, e.kind as provider_kind, e.amount as provider_amount
      from (select payment_id, kind, sum(amount) filter (where amount > 0) as amount, count(*) as entries
        from payment_service.ledger_transfer t join payment_service.ledger_entry e on e.transfer_id = t.id group by 1, 2) l
      full outer join (select order_id, kind, sum(e.amount) as amount, count(*) as entries
        from simulator.entry e join simulator.payment p using (payment_key) where kind <> 'APPROVAL' group by 1, 2) e
        on e.order_id = l.payment_id and e.kind = l.kind
      where l.amount is distinct from e.amount or e.entries <> 1`),
    none("an order's money is not what its state says", run`
      select o.id, o.status, o.total, coalesce(sum(e.amount), 0) as escrow from order_service.orders o
      left join payment_service.payment p on p.order_id = o.id
      left join payment_service.ledger_transfer t on t.payment_id = p.id
      left join payment_service.ledger_entry e on e.transfer_id = t.id and e.account = 'ESCROW'
      group by o.id having coalesce(sum(e.amount), 0) <> case o.status when 'PLACED' then o.total else 0 end`),
    none("more than one live capture", run`
      select order_id from payment_service.payment where status = 'PAID' group by order_id having count(*) > 1`),
    none("a counter of stock is not the sum of its reservations", run`
      select s.variant_id, s.held, s.committed from product_service.stock s
      left join product_service.reservation r using (variant_id)
      group by s.variant_id having s.held <> coalesce(sum(r.held), 0) or s.committed <> coalesce(sum(r.committed), 0)
        or s.held + s.committed > s.on_hand`),
    none("a line's reservation is not what its order says", run`
      select o.id, o.status, l.quantity, r.held, r.committed from order_service.orders o
      join order_service.order_line l on l.order_id = o.id
      left join product_service.reservation r on r.order_id = o.id and r.variant_id = l.variant_id
      where coalesce(r.held, 0) <> case o.status when 'AWAITING_PAYMENT' then l.quantity else 0 end
        or coalesce(r.committed, 0) <> case o.status when 'PLACED' then l.quantity else 0 end`),
    none("sales are not counted right", run`
      select p.id from product_service.product p, jsonb_array_elements(p.variants) v
      join product_service.stock s on s.variant_id = (v ->> 'id')::uuid
      where (v ->> 'sold')::int <> s.committed + s.consumed or (v ->> 'available')::int <> s.on_hand - s.held - s.committed`),
    none("purchases are not counted right", run`
      select m.id, m.purchases from user_service.member m
      left join order_service.orders o on o.member_id = m.id and o.status = 'PLACED'
      group by m.id having m.purchases <> count(o.id)`),
    none("an order is still being placed", run`select id from order_service.orders where status = 'PLACING'`),
    none("an outcome is open", run`
      select id, status from payment_service.payment where status in ('CREATED', 'CONFIRMING', 'UNKNOWN', 'MANUAL_REVIEW')`),
    none("a refund is open", run`select id, status from payment_service.refund where status <> 'SUCCEEDED'`),
    none("a late success is not paid back", run`
      select p.id, count(r.id) as refunds from payment_service.payment p left join payment_service.refund r on r.payment_id = p.id
      group by p.id having count(r.id) <> case p.status when 'PAID_LATE' then 1 else 0 end`),
    ...["order", "payment"].map((service) =>
      none(`${service} never answered a request`, run`
        select route, key from ${run.literal(`${service}_service`)}.idempotency where status is null`)),
    ...contexts.flatMap((context) => [
      none(`${context} has not told`, run`select event_id from ${outboxOf(run, context)} where published_at is null`),
      none(`${context} told with a gap`, run`
        select stream_key from ${outboxOf(run, context)} group by stream_key having max(sequence) <> count(*) or min(sequence) <> 1`),
      none(`${context} lost an event on the way`, run`
        select o.event_id, l.event_id as log from ${outboxOf(run, context)} o
        full outer join ${run.literal(`events.${context}_log`)} l using (event_id) where o.event_id is null or l.event_id is null`),
      none(`${context} parked`, run`select type, reason from ${run.literal(`${context}_service`)}.dead_letter`),
      ...contexts.map((from) =>
        none(`${context} missed what ${from} told`, run`
          select l.type, l.event_id from ${run.literal(`events.${from}_log`)} l
          where type = any (${[...consumed[context]]}::text[])
            and not exists (select from ${run.literal(`${context}_service`)}.inbox i where i.event_id = l.event_id)`))
    ])
  ], { concurrency: 4 })
  return found.flat()
})

const contexts = Struct.keys(published)

type Sql = Effect.Success<typeof sql>

const outboxOf = (run: Sql, context: EventContext) => run.literal(`${context}_service.outbox`)

/** Waits until nothing is under way, and finds everything in order. */
export const agree = Effect.gen(function*() {
  yield* eventually(violations, (found) => found.length === 0)
})

/** The names of the events that a context has told so far. */
export const told = Effect.fnUntraced(function*(context: EventContext) {
  const run = yield* sql
  const rows = yield* run<{ readonly type: string }>`select distinct type from ${outboxOf(run, context)} order by type`
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
