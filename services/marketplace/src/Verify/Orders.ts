import { Result } from "effect"
import type { Lifecycle } from "@marketplace/domain/Lifecycle"
import { OrderStatus, SellerOrderStatus } from "@marketplace/domain/Order/Order"
import * as Script from "@marketplace/postgres/Script"
import { type Invariant, oneOf, values } from "./Invariant.ts"

/** The whole table of a lifecycle: scope, from, event, to. */
const transitions = <State extends string, Event extends string>(scope: string, life: Lifecycle<State, Event>) =>
  life.states.flatMap((from) =>
    life.events.flatMap((event) =>
      Result.match(life.next(from, event), { onFailure: () => [], onSuccess: (to) => [[scope, from, event, to]] })
    )
  )

const legal = values([
  ["order", null, "place", OrderStatus.initial],
  ...transitions("order", OrderStatus),
  ...transitions("sellerOrder", SellerOrderStatus)
])

/** A part has no entry before its first move: it begins as its lifecycle does. */
const firstPart = Script.literal(SellerOrderStatus.initial)

/** The moves of orders and their parts, each with where the one before it led. A refund is noted there and moves nothing. */
const steps = `(
  select t.*, lag(t.to_status) over (partition by t.order_id, t.scope, t.seller_order_id order by t.position) as led_to
  from scope, order_service.order_timeline t join order_service.orders o on o.id = t.order_id
  where o.created_at >= since and not (t.cause = 'refund' and t.from_status = t.to_status))`

export const orders: ReadonlyArray<Invariant> = [
  {
    name: "orders.totals-add-up",
    says: "An order's total is the sum of its sellers' parts, and there is at least one.",
    holds: "always",
    violations: `
      select o.id, o.total, sum(s.total) as parts
      from scope, order_service.orders o left join order_service.seller_order s on s.order_id = o.id
      where o.created_at >= since group by o.id having sum(s.total) is distinct from o.total`
  },
  {
    name: "orders.parts-add-up",
    says: "A seller's part is the sum of its lines, at least one and all of the same order, and the shipping fee.",
    holds: "always",
    violations: `
      select s.id, s.order_id, s.total, s.shipping_fee, sum(l.total) as lines
      from scope, order_service.seller_order s join order_service.orders o on o.id = s.order_id
      left join order_service.order_line l on l.seller_order_id = s.id
      where o.created_at >= since group by s.id
      having sum(l.total) + s.shipping_fee is distinct from s.total or not bool_and(l.order_id = s.order_id)`
  },
  {
    name: "orders.lines-add-up",
    says: "A line's total is its unit price times its quantity.",
    holds: "always",
    violations: `
      select l.id, l.order_id, l.unit_price, l.quantity, l.total
      from scope, order_service.order_line l join order_service.orders o on o.id = l.order_id
      where o.created_at >= since and (l.quantity <= 0 or l.unit_price * l.quantity <> l.total)`
  },
  {
    name: "orders.shares-add-up",
    says: "What the seller gets, the commission and its VAT are the total of the seller's part, and none is negative.",
    holds: "always",
    violations: `
      select s.id, s.order_id, s.total, s.seller_share, s.commission, s.commission_vat
      from scope, order_service.seller_order s join order_service.orders o on o.id = s.order_id
      where o.created_at >= since
        and (s.seller_share + s.commission + s.commission_vat <> s.total
          or least(s.seller_share, s.commission, s.commission_vat) < 0)`
  },
  {
    name: "orders.sellers-are-those-of-the-goods",
    says: "A line is sold by the enterprise whose product it is.",
    holds: "always",
    reads: ["catalogue"],
    violations: `
      select l.id, l.order_id, l.product_id, l.variant_id, s.enterprise_id,
        c.product_id as of_product, c.enterprise_id as of_enterprise
      from scope, order_service.order_line l join order_service.seller_order s on s.id = l.seller_order_id
      join order_service.orders o on o.id = l.order_id
      left join catalogue c on c.variant_id = l.variant_id
      where o.created_at >= since
        and (c.enterprise_id is distinct from s.enterprise_id or c.product_id is distinct from l.product_id)`
  },
  {
    name: "orders.moves-are-legal",
    says: "Every move of an order or of a seller's part is one of its lifecycle's.",
    holds: "always",
    violations: `
      select t.order_id, t.position, t.scope, t.seller_order_id, t.from_status, t.cause, t.to_status from ${steps} t
      where not exists (select from ${legal} as legal (scope, from_status, cause, to_status)
        where legal.scope = t.scope and legal.from_status is not distinct from t.from_status
          and legal.cause = t.cause and legal.to_status = t.to_status)`
  },
  {
    name: "orders.history-is-gapless",
    says: "Every move begins where the one before it led, the first one at the beginning of the lifecycle.",
    holds: "always",
    violations: `
      select t.order_id, t.position, t.scope, t.seller_order_id, t.led_to, t.from_status, t.to_status from ${steps} t
      where t.from_status is distinct from coalesce(t.led_to, case t.scope when 'sellerOrder' then ${firstPart} end)`
  },
  {
    name: "orders.history-leads-to-now",
    says: "An order or a seller's part is where its last move led.",
    holds: "always",
    violations: `
      with move as (
        select distinct on (order_id, scope, seller_order_id) order_id, scope, seller_order_id, to_status from ${steps} t
        order by order_id, scope, seller_order_id, position desc),
      standing as (
        select id as order_id, 'order' as scope, null::uuid as seller_order_id, status, created_at from order_service.orders
        union all
        select order_id, 'sellerOrder', s.id, s.status, created_at
        from order_service.seller_order s join order_service.orders o on o.id = s.order_id)
      select s.order_id, s.scope, s.seller_order_id, s.status, m.to_status
      from scope, standing s left join move m on m.order_id = s.order_id and m.scope = s.scope
        and m.seller_order_id is not distinct from s.seller_order_id
      where s.created_at >= since
        and s.status is distinct from coalesce(m.to_status, case s.scope when 'sellerOrder' then ${firstPart} end)`
  },
  {
    name: "orders.parts-follow-the-order",
    says: "Parts wait while their order is unpaid, are under way once it is placed, and are cancelled when it ended unpaid.",
    holds: "always",
    violations: `
      select o.id, o.status, s.id as seller_order_id, s.status as part
      from scope, order_service.orders o join order_service.seller_order s on s.order_id = o.id
      where o.created_at >= since and not case
        when o.status = 'PLACED' then s.status <> 'PENDING_PAYMENT'
        when o.status in ('EXPIRED', 'CANCELLED') then s.status = 'CANCELLED'
        else s.status = 'PENDING_PAYMENT' end`
  },
  {
    name: "orders.placing-comes-to-a-decision",
    says: "An order that is being placed for a minute is driven to its decision within another.",
    holds: "eventual",
    violations: `
      select o.id, o.created_at, o.due_at from scope, order_service.orders o
      where o.status = 'PLACING' and o.created_at >= since and o.created_at < settled - interval '1 minute'`
  },
  {
    name: "orders.deadlines-are-kept",
    says: "An order whose payment deadline is over has ended, unless a payment of it is under way or was made.",
    holds: "eventual",
    violations: `
      select o.id, o.payment_deadline, o.due_at from scope, order_service.orders o
      where o.status = 'AWAITING_PAYMENT' and o.created_at >= since and o.payment_deadline < settled
        and not exists (select from payment_service.payment p where p.order_id = o.id
          and p.status not in ${oneOf(["CREATED", "READY", "FAILED", "EXPIRED", "CANCELLED", "PAID_LATE"])})`
  }
]
