import type { Plant } from "./Plant.ts"

export const requests: ReadonlyArray<Plant> = [
  {
    breaks: "requests.one-order-per-key",
    how: "two orders for one key",
    script: ({ expired, waiting }) => `
      delete from order_service.idempotency where resource_id = '${expired.order}';
      update order_service.idempotency set fingerprint = 'of both' where resource_id = '${waiting.order}'`
  },
  {
    breaks: "requests.one-order-per-key",
    how: "a key without its order",
    script: () => `insert into order_service.idempotency
      select caller, route, 'another', fingerprint, gen_random_uuid(), status, body, holder, lease_until, created_at
      from order_service.idempotency limit 1`
  },
  {
    breaks: "requests.one-order-per-key",
    how: "one order for two keys",
    script: ({ placed }) => `insert into order_service.idempotency
      select caller, route, 'another', fingerprint, resource_id, status, body, holder, lease_until, created_at
      from order_service.idempotency where resource_id = '${placed.order}'`
  },
  {
    breaks: "requests.one-payment-per-key",
    how: "two payments for one key",
    script: ({ late }) => `delete from payment_service.idempotency
      where resource_id = '${late.payment}' and route = 'POST /v1/payments'`
  },
  {
    breaks: "requests.are-answered-with-the-decision",
    how: "an order that was decided without an answer",
    script: ({ placed }) => `update order_service.idempotency set status = null, body = null
      where resource_id = '${placed.order}'`
  },
  {
    breaks: "requests.are-answered-with-the-decision",
    how: "a confirmation that was decided without an answer",
    script: ({ placed }) => `update payment_service.idempotency set status = null, body = null
      where resource_id = '${placed.payment}' and route <> 'POST /v1/payments'`
  }
]
