import { Schema } from "effect"
import { type SqlClient, SqlSchema } from "effect/sql"
import type { OrderEvent } from "@marketplace/domain/Order/Events"
import { OrderId, SellerOrderId } from "@marketplace/domain/Order/Ids"
import type { OrderStatus } from "@marketplace/domain/Order/Order"
import { insertAll } from "@marketplace/postgres/InsertAll"

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

type Step = Omit<Entry, "at">

/** What there is to say of events in the order's timeline. */
export const entriesOf = (events: ReadonlyArray<OrderEvent>, from: string): ReadonlyArray<Step> =>
  events.map((event) =>
    event._tag === "OrderCreated"
      ? { scope: "order", sellerOrderId: null, from, to: reserved, cause: "reserved" }
      : { scope: event.scope, sellerOrderId: event.sellerOrderId, from: event.from, to: event.to, cause: event.cause }
  )

const reserved: typeof OrderStatus.State.Type = "AWAITING_PAYMENT"

/** The timeline of orders in the order service's schema. */
export const make = (sql: SqlClient.SqlClient) => ({
  /** In the caller's transaction. */
  append: (order: OrderId, steps: ReadonlyArray<Step>) =>
    insertAll(
      sql,
      "order_timeline",
      steps.map(({ cause, from, scope, sellerOrderId, to }) => ({
        orderId: order,
        scope,
        sellerOrderId,
        fromStatus: from,
        toStatus: to,
        cause
      }))
    ),
  of: SqlSchema.findAll({
    Request: OrderId,
    Result: Entry,
    execute: (id) =>
      sql`select at, scope, seller_order_id, from_status as "from", to_status as "to", cause
        from order_timeline where order_id = ${id} order by position`
  })
})
