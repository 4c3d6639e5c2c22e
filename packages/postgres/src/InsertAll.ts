import { Array, Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"

/** Inserts rows in one statement; of no rows nothing. Keys are column names in camel case. */
export const insertAll = (sql: SqlClient.SqlClient, table: string, rows: ReadonlyArray<Record<string, unknown>>): Effect.Effect<void, SqlError.SqlError> =>
  Array.isReadonlyArrayNonEmpty(rows) ? Effect.asVoid(sql`insert into ${sql(table)} ${sql.insert(rows)}`) : Effect.void
