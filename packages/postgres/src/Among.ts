import type { SqlClient, Statement } from "effect/sql"

/**
 * Whether a column of type uuid is one of these. PostgreSQL takes them for a few: beside a join with rows from JSON, of which
 * it always expects a hundred, that keeps it from reading the whole table.
 */
export const among = (sql: SqlClient.SqlClient, column: string, ids: ReadonlyArray<string>): Statement.Fragment =>
  sql`${sql.literal(column)} = any (${ids}::text[]::uuid[])`
