import { type Plant, without } from "./Plant.ts"

/** The catalogue shows what the stock says, so that only the stock is wrong. */
const shown = `
  update product_service.product p set variants = (
    select jsonb_agg(v || jsonb_build_object('available', s.on_hand - s.held - s.committed, 'sold', s.committed + s.consumed))
    from jsonb_array_elements(p.variants) v join product_service.stock s on s.variant_id = (v ->> 'id')::uuid)`

const ofOrder = (order: string) => `where order_id = '${order}'`

/** The variants of an order. */
const ofGoods = (order: string) => `variant_id in (select variant_id from order_service.order_line ${ofOrder(order)})`

const nobody = "00000000-0000-7000-8000-000000000003"

export const stock: ReadonlyArray<Plant> = [
  {
    breaks: "stock.counters-are-possible",
    how: "an oversell",
    script: ({ waiting }) => `
      ${without("product_service.stock", "stock_check")};
      update product_service.stock set on_hand = 1 where ${ofGoods(waiting.order)};
      update product_service.stock_movement set quantity = 1 where kind = 'SEED'
        and ${ofGoods(waiting.order)};
      ${shown}`
  },
  {
    breaks: "stock.units-are-conserved",
    how: "a unit that vanished",
    script: ({ placed }) => `update product_service.stock_movement set quantity = quantity + 1 where kind = 'SEED'
      and variant_id = (select min(variant_id::text)::uuid from product_service.reservation ${ofOrder(placed.order)})`
  },
  {
    breaks: "stock.counters-are-sums",
    how: "a counter that was lost",
    script: ({ waiting }) => `
      update product_service.stock set held = held - 1 where ${ofGoods(waiting.order)}; ${shown}`
  },
  {
    breaks: "stock.movements-are-reservations",
    how: "a commit that was not written down",
    script: ({ placed }) => `delete from product_service.stock_movement ${ofOrder(placed.order)} and kind = 'COMMIT'`
  },
  {
    breaks: "stock.movements-are-reservations",
    how: "a commit that was made twice",
    script: ({ placed }) => `
      ${without("product_service.stock_movement", "stock_movement_order_id_variant_id_kind_key")};
      insert into product_service.stock_movement
        select * from product_service.stock_movement ${ofOrder(placed.order)} and kind = 'COMMIT'`
  },
  {
    breaks: "stock.reservations-are-of-lines",
    how: "units held for an order that never was",
    script: ({ waiting }) => `
      insert into product_service.reservation_order (order_id, status) values ('${nobody}', 'HELD');
      insert into product_service.reservation (order_id, variant_id, held)
        select '${nobody}', variant_id, 1 from product_service.reservation ${ofOrder(waiting.order)};
      insert into product_service.stock_movement (order_id, variant_id, kind, quantity)
        select order_id, variant_id, 'HOLD', 1 from product_service.reservation ${ofOrder(nobody)};
      update product_service.stock set held = held + 1 where ${ofGoods(waiting.order)}; ${shown}`
  },
  {
    breaks: "stock.standing-is-what-is-reserved",
    how: "a committed order that looks held",
    script: ({ placed }) => `update product_service.reservation_order set status = 'HELD' ${ofOrder(placed.order)}`
  },
  {
    breaks: "stock.live-lines-are-reserved",
    how: "a hold that went while its order waits to be paid",
    script: ({ waiting }) => `
      update product_service.stock set held = held - 2 where ${ofGoods(waiting.order)};
      update product_service.reservation set held = 0, released = 2 ${ofOrder(waiting.order)};
      update product_service.reservation_order set status = 'RELEASED' ${ofOrder(waiting.order)};
      insert into product_service.stock_movement (order_id, variant_id, kind, quantity)
        select order_id, variant_id, 'RELEASE', 2 from product_service.reservation ${ofOrder(waiting.order)}; ${shown}`
  },
  {
    breaks: "stock.placed-lines-are-committed",
    how: "a placed order of which product never heard",
    script: ({ placed }) => `
      update product_service.stock set held = 1, committed = 0 where ${ofGoods(placed.order)};
      update product_service.reservation set held = 1, committed = 0 ${ofOrder(placed.order)};
      update product_service.reservation_order set status = 'HELD' ${ofOrder(placed.order)};
      delete from product_service.stock_movement ${ofOrder(placed.order)} and kind = 'COMMIT'; ${shown}`
  },
  {
    breaks: "stock.ended-orders-hold-nothing",
    how: "an expired order that still holds",
    script: ({ expired }) => `
      update product_service.stock set held = 1 where ${ofGoods(expired.order)};
      update product_service.reservation set held = 1, released = 0 ${ofOrder(expired.order)};
      update product_service.reservation_order set status = 'HELD' ${ofOrder(expired.order)};
      delete from product_service.stock_movement ${ofOrder(expired.order)} and kind = 'RELEASE'; ${shown}`
  }
]
