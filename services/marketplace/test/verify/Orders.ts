import { type Plant, without } from "./Plant.ts"

const ofOrder = (order: string) => `where order_id = '${order}'`

export const orders: ReadonlyArray<Plant> = [
  {
    breaks: "orders.totals-add-up",
    how: "a total that is not that of the parts",
    script: ({ expired }) => `update order_service.orders set total = total + 1 where id = '${expired.order}'`
  },
  {
    breaks: "orders.parts-add-up",
    how: "a shipping fee that nobody pays",
    script: ({ placed }) => `update order_service.seller_order set shipping_fee = shipping_fee + 1 ${ofOrder(placed.order)}`
  },
  {
    breaks: "orders.lines-add-up",
    how: "a unit price that is not the line's",
    script: ({ placed }) => `
      ${without("order_service.order_line", "order_line_check")};
      update order_service.order_line set unit_price = unit_price + 1 ${ofOrder(placed.order)}`
  },
  {
    breaks: "orders.shares-add-up",
    how: "a commission that is nobody's",
    script: ({ placed }) => `
      ${without("order_service.seller_order", "seller_order_check")};
      update order_service.seller_order set commission = commission + 1 ${ofOrder(placed.order)}`
  },
  {
    breaks: "orders.sellers-are-those-of-the-goods",
    how: "the wrong seller",
    script: ({ placed }) => `update product_service.product set enterprise_id = gen_random_uuid()
      where id in (select product_id from order_service.order_line ${ofOrder(placed.order)})`
  },
  {
    breaks: "orders.sellers-are-those-of-the-goods",
    how: "goods that are not in the catalogue",
    script: ({ placed }) => `update order_service.order_line set product_id = gen_random_uuid() ${ofOrder(placed.order)}`
  },
  {
    breaks: "orders.moves-are-legal",
    how: "an order that was placed by expiring",
    script: ({ placed }) => `update order_service.order_timeline set cause = 'expire'
      ${ofOrder(placed.order)} and to_status = 'PLACED'`
  },
  {
    breaks: "orders.history-is-gapless",
    how: "a move that was not written down",
    script: ({ placed }) => `delete from order_service.order_timeline ${ofOrder(placed.order)} and to_status = 'AWAITING_PAYMENT'`
  },
  {
    breaks: "orders.history-is-gapless",
    how: "an order that was placed twice",
    script: ({ placed }) => `insert into order_service.order_timeline (order_id, scope, from_status, to_status, cause)
      select order_id, scope, from_status, to_status, cause from order_service.order_timeline ${ofOrder(placed.order)}
      and scope = 'order' and to_status = 'PLACED'`
  },
  {
    breaks: "orders.history-leads-to-now",
    how: "an order that moved without saying so",
    script: ({ expired }) => `update order_service.orders set status = 'CANCELLED' where id = '${expired.order}'`
  },
  {
    breaks: "orders.history-leads-to-now",
    how: "an order without a history",
    script: ({ waiting }) => `delete from order_service.order_timeline ${ofOrder(waiting.order)}`
  },
  {
    breaks: "orders.parts-follow-the-order",
    how: "a part that does not know that its order is paid",
    script: ({ placed }) => `
      update order_service.seller_order set status = 'PENDING_PAYMENT' ${ofOrder(placed.order)};
      delete from order_service.order_timeline ${ofOrder(placed.order)} and scope = 'sellerOrder'`
  },
  {
    breaks: "orders.placing-comes-to-a-decision",
    how: "an order that is being placed for ever",
    script: ({ waiting }) => `
      update order_service.orders set status = 'PLACING' where id = '${waiting.order}';
      delete from order_service.order_timeline ${ofOrder(waiting.order)} and to_status = 'AWAITING_PAYMENT'`
  },
  {
    breaks: "orders.deadlines-are-kept",
    how: "an order that waits for its payment for ever",
    script: ({ waiting }) => `update order_service.orders set payment_deadline = now() where id = '${waiting.order}'`
  }
]
