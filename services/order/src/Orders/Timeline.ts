import { Schema } from "effect"
import { type SqlClient, SqlSchema, type Statement } from "effect/sql"
import type { OrderEvent } from "@marketplace/domain/Order/Events"
import { OrderId, SellerOrderId } from "@marketplace/domain/Order/Ids"
import type { OrderStatus } from "@marketplace/domain/Order/Order"

/** One step in an order's life, as it is shown to its people. */
export const Entry = Schema.Struct({
  at: Schema.DateTimeUtcFromDate,
  scope: Schema.Literals(["order", "sellerOrder"]),
  sellerOrderId: Schema.NullOr(SellerOrderId),
  from: Schema.NullOr(Schema.String),
  to: Schema.String,
  cause: Schema.String
})
export type Entry = typeof Entry.Type

interface Step extends Omit<Entry, "at"> {
  readonly orderId: OrderId
}

/** What there is to say of an order's events in its timeline. */
export const stepsOf = (orderId: OrderId, events: ReadonlyArray<OrderEvent>, from: string): ReadonlyArray<Step> =>
  events.map((event) =>
    event._tag === "OrderCreated"
      ? { orderId, scope: "order", sellerOrderId: null, from, to: reserved, cause: "reserved" }
      : { orderId, scope: event.scope, sellerOrderId: event.sellerOrderId, from: event.from, to: event.to, cause: event.cause }
  )

const reserved: typeof OrderStatus.State.Type = "AWAITING_PAYMENT"

/** The timeline of orders in the order service's schema. */
export const make = (sql: SqlClient.SqlClient) => {
  /** The statement that appends steps; if `changed` (a table of order ids) is given, only those of its orders. */
  const insert = (steps: ReadonlyArray<Step>, changed?: Statement.Fragment): Statement.Fragment => {
    const rows = JSON.stringify(steps.map(({ cause, from, orderId, scope, sellerOrderId, to }) =>
      ({ order_id: orderId, scope, seller_order_id: sellerOrderId, from_status: from, to_status: to, cause })
    ))
    return sql`insert into order_timeline (order_id, scope, seller_order_id, from_status, to_status, cause)
      select step.order_id, step.scope, step.seller_order_id, step.from_status, step.to_status, step.cause
      from rows from (jsonb_to_recordset(${rows}::jsonb) as (order_id uuid, scope text, seller_order_id uuid,
        from_status text, to_status text, cause text)) with ordinality as step
      ${changed === undefined ? sql`` : sql`join ${changed} on ${changed}.id = step.order_id`} order by step.ordinality`
  }
  return {
    insert,
    of: SqlSchema.findAll({
      Request: OrderId,
      Result: Entry,
      execute: (id) =>
        sql`select at, scope, seller_order_id, from_status as "from", to_status as "to", cause
          from order_timeline where order_id = ${id} order by position`
    })
  }
}
