import { Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"

/** A name written into SQL text. */
export const identifier = (name: string): string => `"${name.replaceAll("\"", "\"\"")}"`

/** A text written into SQL text. */
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`

/** A dollar quote that does not occur in the text it encloses. */
const quoted = (text: string): string => {
  let tag = "$script$"
  for (let n = 0; text.includes(tag); n++) tag = `$script${n}$`
  return `${tag}${text}${tag}`
}

/**
 * Runs several statements in one round trip. The driver speaks the extended protocol, which takes one statement at a
 * time; PL/pgSQL's `execute` takes a whole script. Transaction control is refused in it, which suits a script that runs
 * in its caller's transaction.
 */
export const run = (sql: SqlClient.SqlClient, script: string): Effect.Effect<void, SqlError.SqlError> => {
  const body = `begin execute ${quoted(script)}; end`
  return Effect.asVoid(sql.unsafe(`do ${quoted(body)}`).unprepared)
}
