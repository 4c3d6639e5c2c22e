import * as Idempotency from "@marketplace/service/Idempotency"
import * as Outbox from "@marketplace/events/Outbox"
import type { DatabaseSchema } from "@marketplace/postgres/Schemas"
import { orders } from "./migrations/0001_orders.ts"

/** What the order service keeps in PostgreSQL. */
export const orderSchema: DatabaseSchema = {
  name: "order_service",
  migrations: [Outbox.migration, Idempotency.migration, orders, Outbox.publishedIndex]
}
