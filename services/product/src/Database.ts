import * as Outbox from "@marketplace/events/Outbox"
import type { DatabaseSchema } from "@marketplace/postgres/Schemas"
import { catalogue } from "./migrations/0001_catalogue.ts"
import { stock } from "./migrations/0002_stock.ts"
import { catalogueIndex } from "./migrations/0003_catalogue_index.ts"

/** What the product service keeps in PostgreSQL: stock always, the catalogue on the embedded profile. */
export const productSchema: DatabaseSchema = {
  name: "product_service",
  migrations: [Outbox.migration, catalogue, stock, catalogueIndex, Outbox.publishedIndex]
}
