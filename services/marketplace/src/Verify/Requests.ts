import { placing } from "@marketplace/order/Checkout"
import { creating } from "@marketplace/payment/Payments"
import { confirming } from "@marketplace/payment/Payments/Settlement"
import * as Script from "@marketplace/postgres/Script"
import { type Invariant, oneOf } from "./Invariant.ts"

/** Keys are kept for a day; what is nearly as old is not asked for its key any more. */
const kept = "now() - interval '23 hours'"

/** Every resource was asked for with one key, and every key has its resource. */
const once = (service: string, table: string, route: string) => `
  select r.id, r.member_id::text, count(i.key) as keys
  from scope, ${service}.${table} r
  left join ${service}.idempotency i
    on i.resource_id = r.id and i.route = ${Script.literal(route)} and i.caller = r.member_id::text
  where r.created_at >= greatest(since, ${kept}) group by r.id having count(i.key) <> 1
  union all
  select i.resource_id, i.caller, null from scope, ${service}.idempotency i
  where i.route = ${Script.literal(route)} and i.created_at >= since
    and not exists (select from ${service}.${table} r where r.id = i.resource_id and r.member_id::text = i.caller)`

export const requests: ReadonlyArray<Invariant> = [
  {
    name: "requests.one-order-per-key",
    says: "An idempotency key of a member makes one order, and no order is made without.",
    holds: "always",
    violations: once("order_service", "orders", placing.route)
  },
  {
    name: "requests.one-payment-per-key",
    says: "An idempotency key of a member makes one payment, and no payment is made without.",
    holds: "always",
    violations: once("payment_service", "payment", creating.route)
  },
  {
    name: "requests.are-answered-with-the-decision",
    says: "A request is without an answer only while the order is being placed, or the payment's outcome is open.",
    holds: "always",
    violations: `
      select i.route, i.caller, i.key, i.resource_id, i.created_at, coalesce(o.status, p.status) as resource
      from scope, (select * from order_service.idempotency union all select * from payment_service.idempotency) i
      left join order_service.orders o on i.route = ${Script.literal(placing.route)} and o.id = i.resource_id
      left join payment_service.payment p on i.route = ${Script.literal(confirming.route)} and p.id = i.resource_id
      where i.status is null and i.created_at >= since and o.status is distinct from 'PLACING'
        and coalesce(p.status not in ${oneOf(["CONFIRMING", "UNKNOWN", "MANUAL_REVIEW", "AUTHORIZED", "WAITING_DEPOSIT"])}, true)`
  }
]
