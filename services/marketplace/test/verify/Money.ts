import { type Plant, without } from "./Plant.ts"

/** The provider takes the money of a payment, and the ledger says so. */
const captured = (payment: string) => `
  insert into simulator.payment (payment_key, order_id, amount, currency, method, expires_at)
    select 'sim_' || id, id, amount, currency, method, now() from payment_service.payment where id = '${payment}'
    on conflict do nothing;
  insert into simulator.entry (kind, transaction_key, payment_key, amount)
    select 'CAPTURE', gen_random_uuid(), payment_key, amount from simulator.payment where order_id = '${payment}';
  ${booked("CAPTURE", payment)}`

const booked = (kind: "CAPTURE" | "REFUND", payment: string, refund?: string) => `
  with transfer as (
    insert into payment_service.ledger_transfer (id, kind, payment_id, refund_id)
    values (gen_random_uuid(), '${kind}', '${payment}', ${refund ?? "null"}) returning id)
  insert into payment_service.ledger_entry
    select transfer.id, account, case when (account = 'ESCROW') = ('${kind}' = 'CAPTURE') then 1 else -1 end * amount, currency
    from transfer, payment_service.payment p, unnest(array['BUYER', 'ESCROW']) account where p.id = '${payment}'`

const refundOf = (payment: string) => `(select id from payment_service.refund where payment_id = '${payment}')`

const escrow = "money.escrow-is-what-orders-are-worth"

export const money: ReadonlyArray<Plant> = [
  {
    breaks: "money.transfers-balance",
    how: "an entry of one unit more",
    script: ({ placed }) => `update payment_service.ledger_entry set amount = amount + 1
      where account = 'BUYER' and transfer_id in (
        select id from payment_service.ledger_transfer where payment_id = '${placed.payment}')`
  },
  {
    breaks: "money.captures-are-booked",
    how: "one capture, booked twice",
    also: [escrow],
    script: ({ late, placed }) => booked("CAPTURE", placed.payment, refundOf(late.payment))
  },
  {
    breaks: "money.refunds-are-booked",
    how: "one refund, booked twice",
    also: [escrow],
    script: ({ late }) => `${without("payment_service.ledger_transfer", "ledger_transfer_kind_payment_id_refund_id_key")};
      ${booked("REFUND", late.payment, refundOf(late.payment))}`
  },
  {
    breaks: "money.captured-within-total",
    how: "more captured than the order is worth",
    also: [escrow],
    script: ({ waiting }) => `
      update payment_service.payment set status = 'PAID', amount = amount + 1 where id = '${waiting.payment}';
      ${captured(waiting.payment)}`
  },
  {
    breaks: "money.refunded-within-captured",
    how: "a payment given back twice",
    also: [escrow],
    script: ({ late }) => `
      insert into payment_service.refund (id, payment_id, order_id, amount, currency, reason, status)
        select '00000000-0000-7000-8000-000000000001', payment_id, order_id, amount, currency, reason, status
        from payment_service.refund where payment_id = '${late.payment}';
      ${booked("REFUND", late.payment, "'00000000-0000-7000-8000-000000000001'")};
      insert into simulator.entry (kind, transaction_key, payment_key, amount, idempotency_key)
        select 'REFUND', gen_random_uuid(), payment_key, amount, '00000000-0000-7000-8000-000000000001'
        from simulator.payment where order_id = '${late.payment}'`
  },
  {
    breaks: "money.one-live-capture",
    how: "a double capture",
    also: ["money.captured-within-total", "money.placed-orders-are-paid", escrow],
    script: ({ placed }) => `
      insert into payment_service.payment (id, order_id, member_id, amount, currency, method, provider, status)
        select '00000000-0000-7000-8000-000000000002', order_id, member_id, amount, currency, method, provider, status
        from payment_service.payment where id = '${placed.payment}';
      insert into payment_service.idempotency
        select caller, route, 'another', fingerprint, '00000000-0000-7000-8000-000000000002', status, body, holder,
          lease_until, now()
        from payment_service.idempotency where resource_id = '${placed.payment}' and route = 'POST /v1/payments';
      ${captured("00000000-0000-7000-8000-000000000002")}`
  },
  {
    breaks: "money.placed-orders-are-paid",
    how: "the payment of a placed order is treated as late",
    also: ["money.late-payments-go-back"],
    script: ({ placed }) => `update payment_service.payment set status = 'PAID_LATE' where id = '${placed.payment}'`
  },
  {
    breaks: "money.late-payments-go-back",
    how: "a late success without a refund",
    also: [escrow],
    script: ({ waiting }) => `
      update payment_service.payment set status = 'PAID_LATE' where id = '${waiting.payment}'; ${captured(waiting.payment)}`
  },
  {
    breaks: escrow,
    how: "an order that never hears that it is paid",
    script: ({ waiting }) => `
      update payment_service.payment set status = 'PAID' where id = '${waiting.payment}'; ${captured(waiting.payment)}`
  },
  {
    breaks: "money.bookings-are-in-the-journal",
    how: "a capture that the provider never made",
    script: ({ placed }) => `delete from simulator.entry where kind = 'CAPTURE' and payment_key in (
      select payment_key from simulator.payment where order_id = '${placed.payment}')`
  },
  {
    breaks: "money.the-journal-is-booked",
    how: "a capture of the provider for a payment that nobody knows",
    script: () => `
      insert into simulator.payment values ('sim_x', gen_random_uuid(), 1000, 'KRW', 'TRANSFER', now(), null);
      insert into simulator.entry (kind, transaction_key, payment_key, amount) values ('CAPTURE', 'x', 'sim_x', 1000)`
  },
  {
    breaks: "money.the-journal-is-booked",
    how: "a capture for a payment that was given up and is not looked at any more",
    script: ({ expired }) => `
      update payment_service.payment set due_at = null where id = '${expired.payment}';
      insert into simulator.entry (kind, transaction_key, payment_key, amount)
        select 'CAPTURE', 'x', payment_key, amount from simulator.payment where order_id = '${expired.payment}'`
  },
  {
    breaks: "money.the-journal-is-booked",
    how: "a refund by the provider that nobody asked for",
    script: ({ placed }) => `insert into simulator.entry (kind, transaction_key, payment_key, amount)
      select 'REFUND', 'x', payment_key, amount from simulator.payment where order_id = '${placed.payment}'`
  },
  {
    breaks: "money.outcomes-become-known",
    how: "nobody finds out",
    script: ({ waiting }) => `update payment_service.payment set status = 'UNKNOWN' where id = '${waiting.payment}'`
  },
  {
    breaks: "money.refunds-come-to-an-end",
    how: "a refund that nobody goes on with",
    script: ({ placed }) => `insert into payment_service.refund (id, payment_id, order_id, amount, currency, reason, status)
      select gen_random_uuid(), id, order_id, 1, currency, 'PAID_LATE', 'REQUESTED'
      from payment_service.payment where id = '${placed.payment}'`
  },
  {
    breaks: "money.ended-orders-are-sealed",
    how: "an order that expired unsealed",
    script: ({ expired }) => `update payment_service.order_payments set sealed = false where order_id = '${expired.order}'`
  },
  {
    breaks: "money.ended-orders-are-sealed",
    how: "an order that expired while a payment could still succeed",
    script: ({ expired }) => `update payment_service.payment set status = 'READY' where id = '${expired.payment}'`
  }
]
