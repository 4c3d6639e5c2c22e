import type { Invariant } from "./Invariant.ts"

/** Orders with the moment of their last move. */
const orders = `(
  select o.*, (select max(t.at) from order_service.order_timeline t where t.order_id = o.id) as moved_at
  from order_service.orders o)`

/** All units that an order ever reserved of a variant, wherever they are now. */
const units = "r.held + r.committed + r.consumed + r.released + r.restocked"

export const stock: ReadonlyArray<Invariant> = [
  {
    name: "stock.counters-are-possible",
    says: "No counter is negative, and no more is held and committed than is there.",
    holds: "always",
    violations: `
      select variant_id, on_hand, held, committed, consumed from product_service.stock
      where least(on_hand, held, committed, consumed) < 0 or held + committed > on_hand`
  },
  {
    name: "stock.units-are-conserved",
    says: "What was put on sale is on hand or consumed.",
    holds: "always",
    violations: `
      select s.variant_id, s.on_hand, s.consumed, m.seeded
      from product_service.stock s
      left join (select variant_id, sum(quantity) as seeded from product_service.stock_movement where kind = 'SEED' group by 1) m
        using (variant_id)
      where s.on_hand + s.consumed <> coalesce(m.seeded, 0)`
  },
  {
    name: "stock.counters-are-sums",
    says: "The counters of a variant are the sums of its reservations.",
    holds: "always",
    violations: `
      select s.variant_id, s.held, s.committed, s.consumed, r.held as reserved_held, r.committed as reserved_committed,
        r.consumed as reserved_consumed
      from product_service.stock s
      left join (select variant_id, sum(held) as held, sum(committed) as committed, sum(consumed) as consumed
        from product_service.reservation group by variant_id) r using (variant_id)
      where (s.held, s.committed, s.consumed) <> (coalesce(r.held, 0), coalesce(r.committed, 0), coalesce(r.consumed, 0))`
  },
  {
    name: "stock.movements-are-reservations",
    says: "What was held, committed and released for an order is what its movements say, and each moved once.",
    holds: "always",
    violations: `
      select order_id, variant_id, r.held, r.committed, r.consumed, r.released, r.restocked,
        m.movements, m.held as moved_hold, m.committed as moved_commit, m.released as moved_release
      from product_service.reservation r
      full join (
        select order_id, variant_id, jsonb_agg(kind order by kind) as movements, count(*) = count(distinct kind) as once,
          coalesce(sum(quantity) filter (where kind = 'HOLD'), 0) as held,
          coalesce(sum(quantity) filter (where kind = 'COMMIT'), 0) as committed,
          coalesce(sum(quantity) filter (where kind = 'RELEASE'), 0) as released
        from product_service.stock_movement where order_id is not null group by order_id, variant_id) m
        using (order_id, variant_id)
      where r.held is null or m.held is null or not m.once
        or (${units}, r.committed + r.consumed + r.restocked, r.released) <> (m.held, m.committed, m.released)`
  },
  {
    name: "stock.reservations-are-of-lines",
    says: "What is reserved is a line of an order, in its quantity.",
    holds: "always",
    violations: `
      select r.order_id, r.variant_id, ${units} as reserved, l.quantity
      from product_service.reservation r left join order_service.order_line l using (order_id, variant_id)
      where ${units} is distinct from l.quantity`
  },
  {
    name: "stock.standing-is-what-is-reserved",
    says: "An order's reservation stands as its units do: HELD, COMMITTED, or RELEASED and nothing is held or committed.",
    holds: "always",
    violations: `
      select o.order_id, o.status, sum(r.held) as held, sum(r.committed) as committed
      from product_service.reservation_order o left join product_service.reservation r using (order_id)
      group by o.order_id
      having not case o.status
        when 'HELD' then coalesce(min(r.held) > 0 and sum(r.committed) = 0, false)
        when 'COMMITTED' then coalesce(sum(r.held) = 0 and min(r.committed + r.consumed + r.restocked) > 0, false)
        when 'RELEASED' then coalesce(sum(r.held + r.committed), 0) = 0
        else false end`
  },
  {
    name: "stock.live-lines-are-reserved",
    says: "Every line of an order that waits for its payment is held; of one that is placed it is held or committed.",
    holds: "always",
    violations: `
      select o.id, o.status, l.variant_id, l.quantity, r.held, r.committed, r.consumed
      from scope, order_service.orders o join order_service.order_line l on l.order_id = o.id
      left join product_service.reservation r on r.order_id = o.id and r.variant_id = l.variant_id
      where o.created_at >= since and case o.status
        when 'AWAITING_PAYMENT' then r.held is distinct from l.quantity
        when 'PLACED' then r.held + r.committed + r.consumed is distinct from l.quantity
        else false end`
  },
  {
    name: "stock.placed-lines-are-committed",
    says: "Every line of a PLACED order is committed.",
    holds: "eventual",
    violations: `
      select o.id, o.moved_at, r.variant_id, r.held, r.committed
      from scope, ${orders} o join product_service.reservation r on r.order_id = o.id
      where o.status = 'PLACED' and o.created_at >= since and o.moved_at < settled and r.held > 0`
  },
  {
    name: "stock.ended-orders-hold-nothing",
    says: "An order that came to nothing holds nothing.",
    holds: "eventual",
    violations: `
      select o.id, o.status, o.moved_at, r.variant_id, r.held, r.committed
      from scope, ${orders} o join product_service.reservation r on r.order_id = o.id
      where o.status in ('REJECTED', 'EXPIRED', 'CANCELLED') and o.created_at >= since and o.moved_at < settled
        and (r.held > 0 or r.committed > 0)`
  }
]
