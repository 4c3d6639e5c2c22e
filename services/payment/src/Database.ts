import * as Outbox from "@marketplace/events/Outbox"
import type { DatabaseSchema } from "@marketplace/postgres/Schemas"
import * as Idempotency from "@marketplace/service/Idempotency"
import { payments } from "./migrations/0001_payments.ts"

/** What the payment service keeps in PostgreSQL. */
export const paymentSchema: DatabaseSchema = {
  name: "payment_service",
  migrations: [Outbox.migration, Idempotency.migration, payments, Outbox.publishedIndex]
}
