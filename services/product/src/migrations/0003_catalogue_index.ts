import type { Migration } from "@marketplace/postgres/Migrations"

/** Each look-up by variant would read all entries that wait to be sorted in: each change of a product's row may add some. */
export const catalogueIndex: Migration = {
  id: "0003_catalogue_index",
  sql: "alter index product_by_variant set (fastupdate = off)"
}
