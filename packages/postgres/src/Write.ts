import { Effect } from "effect"
import type { SqlClient, SqlError, Statement } from "effect/sql"

/**
 * Writes as a value, to be made as parts of another statement: PostgreSQL makes a statement as a whole or not at all, so that
 * one with all that belongs together needs no transaction around it, and holds its locks no longer than it runs.
 *
 * ```ts
 * const events = yield* outbox.tell({ after: sequence, events })
 * const changed = yield* sql`with changed as (update thing set … where version = ${version} returning id)
 *   ${Write.parts(sql, "told", events, sql`exists (select from changed)`)}
 *   select id from changed`.pipe(Effect.mapError(events.meaning))
 * if (changed.length > 0) yield* events.made
 * ```
 *
 * All parts see what was committed before the statement began, and none sees what another part writes.
 */
export interface Write<out E = never> {
  /** Each writes nothing where `when` does not hold. */
  readonly statements: ReadonlyArray<(when: Statement.Fragment) => Statement.Fragment>
  /** What the statement's failure means. */
  readonly meaning: (error: SqlError.SqlError) => E | SqlError.SqlError
  /** What follows once it is made; after the commit, if it is to wait for that. */
  readonly made: Effect.Effect<void>
}

/** Writes nothing. */
export const nothing: Write = { statements: [], meaning: (error) => error, made: Effect.void }

/** `, name_0 as (…), name_1 as (…)`, to follow the first part of a `with`. */
export const parts = <E>(
  sql: SqlClient.SqlClient,
  name: string,
  { statements }: Write<E>,
  when: Statement.Fragment
): Statement.Fragment =>
  statements.reduce<Statement.Fragment>(
    (before, statement, n) => sql`${before}, ${sql.literal(`${name}_${n}`)} as (${statement(when)})`,
    sql``
  )

/** Makes it by itself: one statement of its own. */
export const run = <E>(sql: SqlClient.SqlClient, write: Write<E>): Effect.Effect<void, E | SqlError.SqlError> =>
  write.statements.length === 0 ? Effect.void : sql`with nobody as (select)${parts(sql, "part", write, sql`true`)} select`.pipe(
    Effect.mapError(write.meaning),
    Effect.andThen(write.made)
  )
