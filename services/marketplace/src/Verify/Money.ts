import type { PaymentStatus } from "@marketplace/domain/Payment/Payment"
import type { RefundStatus } from "@marketplace/domain/Payment/Refund"
import { type Invariant, oneOf } from "./Invariant.ts"

type Refund = typeof RefundStatus.State.Type

const payments = (...statuses: ReadonlyArray<PaymentStatus>) => oneOf(statuses)
const refunds = (...statuses: ReadonlyArray<Refund>) => oneOf(statuses)

/** The provider has taken the money; of a late one it is on its way back. */
const live = payments("PAID", "DISPUTED", "CHARGED_BACK")
const captured = payments("PAID", "DISPUTED", "CHARGED_BACK", "PAID_LATE")
/** It may still be taken. */
const open = payments("CONFIRMING", "UNKNOWN", "MANUAL_REVIEW", "AUTHORIZED", "WAITING_DEPOSIT")
/** It may have been taken all the same: the provider is asked again, for a while. */
const givenUp = payments("EXPIRED", "CANCELLED", "FAILED")
/** Nothing is reserved for it, or not any more. */
const unreserved = refunds("REQUESTED", "ACCOUNT_REQUIRED", "REJECTED")

/** Transfers with what they moved, one row each. */
const bookings = `(
  select t.id, t.kind, t.payment_id, t.refund_id, t.booked_at, p.order_id, p.provider, min(e.currency) as currency,
    sum(e.amount) filter (where e.account = 'ESCROW') as escrow
  from payment_service.ledger_transfer t
  join payment_service.payment p on p.id = t.payment_id
  left join payment_service.ledger_entry e on e.transfer_id = t.id
  group by t.id, p.id)`

/** What the provider took and gave back. */
const journal = `(
  select e.kind, e.transaction_key, e.amount, e.idempotency_key, e.at, p.order_id as payment_id, p.currency
  from simulator.entry e join simulator.payment p using (payment_key) where e.kind <> 'APPROVAL')`

/** Whether a booking and an entry of the journal are the same movement. */
const isSame = `e.kind = b.kind and e.payment_id = b.payment_id and e.currency = b.currency
  and e.amount = case b.kind when 'CAPTURE' then b.escrow else - b.escrow end
  and (b.kind = 'CAPTURE' or e.idempotency_key = b.refund_id::text)`

export const money: ReadonlyArray<Invariant> = [
  {
    name: "money.transfers-balance",
    says: "The entries of a transfer sum to zero in each currency.",
    holds: "always",
    violations: `
      select t.id, t.kind, t.payment_id, e.currency, sum(e.amount) as sum
      from scope, payment_service.ledger_transfer t left join payment_service.ledger_entry e on e.transfer_id = t.id
      where t.booked_at >= since group by t.id, e.currency having sum(e.amount) is distinct from 0`
  },
  {
    name: "money.captures-are-booked",
    says: "A captured payment has exactly one CAPTURE transfer, of its amount; another payment has none.",
    holds: "always",
    violations: `
      select p.id, p.order_id, p.status, p.amount, p.currency, count(b.id) as transfers, sum(b.escrow) as booked
      from scope, payment_service.payment p left join ${bookings} b on b.payment_id = p.id and b.kind = 'CAPTURE'
      where p.created_at >= since group by p.id
      having count(b.id) <> case when p.status in ${captured} then 1 else 0 end
        or (count(b.id) = 1 and (min(b.escrow) is distinct from p.amount or min(b.currency) <> p.currency))`
  },
  {
    name: "money.refunds-are-booked",
    says: "A refund that succeeded has exactly one REFUND transfer, of its amount; another refund has none.",
    holds: "always",
    violations: `
      select r.id, r.payment_id, r.status, r.amount, r.currency, count(b.id) as transfers, sum(b.escrow) as booked
      from scope, payment_service.refund r
      left join ${bookings} b on b.refund_id = r.id and b.payment_id = r.payment_id and b.kind = 'REFUND'
      where r.created_at >= since group by r.id
      having count(b.id) <> case r.status when 'SUCCEEDED' then 1 else 0 end
        or (count(b.id) = 1 and (min(b.escrow) is distinct from - r.amount or min(b.currency) <> r.currency))`
  },
  {
    name: "money.captured-within-total",
    says: "No more is captured for an order than its total; what came late and goes back does not count.",
    holds: "always",
    violations: `
      select p.order_id, o.total, o.currency, sum(p.amount) as captured
      from scope, payment_service.payment p left join order_service.orders o on o.id = p.order_id
      where p.status in ${live} and p.created_at >= since group by p.order_id, o.id
      having o.id is null or sum(p.amount) > o.total or min(p.currency) <> o.currency or max(p.currency) <> o.currency`
  },
  {
    name: "money.refunded-within-captured",
    says: "What is given back of a payment, or reserved to be, is at most what was captured.",
    holds: "always",
    violations: `
      select p.id, p.order_id, p.status, p.amount, sum(r.amount) as refunded
      from scope, payment_service.refund r join payment_service.payment p on p.id = r.payment_id
      where r.status not in ${unreserved} and r.created_at >= since group by p.id
      having sum(r.amount) > case when p.status in ${captured} then p.amount else 0 end
        or min(r.currency) <> p.currency or max(r.currency) <> p.currency`
  },
  {
    name: "money.one-live-capture",
    says: "An order has at most one capture that is not given back in full.",
    holds: "always",
    violations: `
      select order_id, count(*) as captures, sum(kept) as kept from (
        select p.order_id, p.amount - coalesce((
          select sum(r.amount) from payment_service.refund r
          where r.payment_id = p.id and r.status not in ${unreserved}), 0) as kept
        from scope, payment_service.payment p where p.status in ${captured} and p.created_at >= since) as capture
      where kept > 0 group by order_id having count(*) > 1`
  },
  {
    name: "money.placed-orders-are-paid",
    says: "A PLACED order has exactly one PAID payment, of its total.",
    holds: "always",
    violations: `
      select o.id, o.total, o.currency, count(p.id) as payments, sum(p.amount) as paid
      from scope, order_service.orders o left join payment_service.payment p on p.order_id = o.id and p.status in ${live}
      where o.status = 'PLACED' and o.created_at >= since group by o.id
      having count(p.id) <> 1 or sum(p.amount) <> o.total or min(p.currency) <> o.currency`
  },
  {
    name: "money.late-payments-go-back",
    says: "A payment that succeeded too late has a refund of its whole amount.",
    holds: "always",
    violations: `
      select p.id, p.order_id, p.amount, sum(r.amount) as refunded
      from scope, payment_service.payment p
      left join payment_service.refund r on r.payment_id = p.id and r.status not in ${unreserved}
      where p.status = 'PAID_LATE' and p.created_at >= since group by p.id having coalesce(sum(r.amount), 0) < p.amount`
  },
  {
    name: "money.escrow-is-what-orders-are-worth",
    says: "What is captured and not refunded is the total of a PLACED order; of any other order nothing is kept.",
    holds: "eventual",
    violations: `
      select coalesce(o.id, s.order_id) as order_id, o.status, o.total, s.kept
      from scope, order_service.orders o
      full join (select order_id, sum(escrow) as kept, max(booked_at) as moved_at from ${bookings} b group by order_id) s
        on s.order_id = o.id
      where coalesce(s.kept, 0) <> case o.status when 'PLACED' then o.total else 0 end
        and coalesce(s.moved_at, '-infinity') < settled and coalesce(o.created_at, s.moved_at) >= since`
  },
  {
    name: "money.bookings-are-in-the-journal",
    says: "The provider's journal has every capture and refund that the ledger has.",
    holds: "always",
    violations: `
      select b.* from scope, ${bookings} b
      where b.provider = 'simulator' and b.booked_at >= since and not exists (select from ${journal} e where ${isSame})`
  },
  {
    name: "money.the-journal-is-booked",
    says: "The ledger has every capture and refund that the provider's journal has. A buyer who has paid and not come back " +
      "yet, and a payment that was given up and is still looked at, have time.",
    holds: "eventual",
    violations: `
      select e.*, p.status from scope, ${journal} e left join payment_service.payment p on p.id = e.payment_id
      where e.at < settled and e.at >= since and not exists (select from ${bookings} b where ${isSame})
        and not (e.kind = 'CAPTURE' and p.id is not null and (
          p.status = 'READY' or (p.status in ${givenUp} and coalesce(p.due_at >= settled, false))))`
  },
  {
    name: "money.outcomes-become-known",
    says: "Nobody waits long for what became of a payment: none is CREATED, CONFIRMING or UNKNOWN.",
    holds: "eventual",
    violations: `
      select p.id, p.order_id, p.status, p.changed_at, p.looks, p.due_at from scope, payment_service.payment p
      where p.status in ${payments("CREATED", "CONFIRMING", "UNKNOWN")} and p.changed_at < settled and p.created_at >= since`
  },
  {
    name: "money.refunds-come-to-an-end",
    says: "A refund has succeeded, was rejected, or is with a person.",
    holds: "eventual",
    violations: `
      select r.id, r.payment_id, r.status, r.created_at, r.looks, r.due_at from scope, payment_service.refund r
      where r.status not in ${refunds("SUCCEEDED", "REJECTED", "MANUAL")} and r.created_at < settled and r.created_at >= since`
  },
  {
    name: "money.ended-orders-are-sealed",
    says: "An order that ended unpaid was sealed before: no payment of it may succeed any more.",
    holds: "always",
    violations: `
      select o.id, o.status, s.sealed, p.id as payment_id, p.status as payment
      from scope, order_service.orders o
      left join payment_service.order_payments s on s.order_id = o.id
      left join payment_service.payment p on p.order_id = o.id
        and (p.status in ${payments("CREATED", "READY")} or p.status in ${open} or p.status in ${live})
      where o.status in ('EXPIRED', 'CANCELLED') and o.created_at >= since and (s.sealed is not true or p.id is not null)`
  }
]
