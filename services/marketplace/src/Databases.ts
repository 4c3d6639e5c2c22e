import { eventsSchema } from "@marketplace/events/TransportPostgres"
import type { DatabaseSchema } from "@marketplace/postgres/Schemas"
import { orderSchema } from "@marketplace/order/Database"
import { paymentSchema } from "@marketplace/payment/Database"
import { productSchema } from "@marketplace/product/Database"
import { simulatorSchema } from "@marketplace/simulator/Database"
import { userSchema } from "@marketplace/user/Database"

/** Every schema of the marketplace, each with a role that may use only that one. Grants on events come after the roles. */
export const databaseSchemas: ReadonlyArray<DatabaseSchema> = [
  userSchema,
  productSchema,
  orderSchema,
  paymentSchema,
  simulatorSchema,
  eventsSchema
]
