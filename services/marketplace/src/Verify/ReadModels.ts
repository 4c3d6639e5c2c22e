import type { Invariant } from "./Invariant.ts"

export const readModels: ReadonlyArray<Invariant> = [
  {
    name: "read-models.the-catalogue-shows-the-stock",
    says: "What the catalogue shows as available and sold is what the stock says.",
    holds: "eventual",
    reads: ["catalogue"],
    violations: `
      select c.product_id, c.variant_id, c.available, c.sold, c.stock_sequence,
        s.on_hand - s.held - s.committed as in_stock, s.committed + s.consumed as sold_by_stock, s.sequence
      from scope, catalogue c left join product_service.stock s using (variant_id)
      where (s.on_hand - s.held - s.committed, s.committed + s.consumed, s.sequence)
          is distinct from (c.available, c.sold, c.stock_sequence)
        and not exists (select from product_service.outbox o
          where o.stream_key = c.variant_id::text and o.sequence = s.sequence and o.occurred_at >= settled)`
  },
  {
    name: "read-models.purchases-are-counted",
    says: "A member's purchases are the member's PLACED orders.",
    holds: "eventual",
    violations: `
      select coalesce(m.id, o.member_id) as member_id, m.purchases, o.placed
      from scope, user_service.member m
      full join (
        select member_id, count(*) as placed, max(moved_at) as last from (
          select o.member_id, (select max(t.at) from order_service.order_timeline t where t.order_id = o.id) as moved_at
          from order_service.orders o where o.status = 'PLACED') o group by member_id) o on o.member_id = m.id
      where m.purchases is distinct from coalesce(o.placed, 0) and coalesce(o.last, '-infinity') < settled`
  }
]
