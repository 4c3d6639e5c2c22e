import { Effect, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { createHash } from "node:crypto"
import { isUnavailable } from "./Database.ts"
import * as Script from "./Script.ts"

/** A step of a schema's history. A released one never changes: its hash is kept. */
export interface Migration {
  /** Sorts in the order of application: `0001_orders`. */
  readonly id: string
  /** Any number of statements, without transaction control; names without a schema are the schema's own. */
  readonly sql: string
}

/** The history in the database and the one in the program do not fit, or a migration failed; `message` says what to do. */
export class MigrationError extends Schema.TaggedError<MigrationError>()("MigrationError", {
  reason: Schema.Literals(["Changed", "OutOfOrder", "Unknown", "Unsorted", "Failed"]),
  schema: Schema.String,
  migration: Schema.String,
  message: Schema.String,
  cause: Schema.optional(Schema.Defect())
}) {}

interface Applied {
  readonly id: string
  readonly hash: string
}

export const hashOf = (migration: Migration): string => createHash("sha256").update(migration.sql).digest("hex")

/** What the program's list has against the history, if anything. `applied` is in order. */
const objection = (
  schema: string,
  migrations: ReadonlyArray<Migration>,
  applied: ReadonlyArray<Applied>
): MigrationError | undefined => {
  const against = (reason: MigrationError["reason"], migration: string, what: string) =>
    new MigrationError({ reason, schema, migration, message: `Migration ${migration} of ${schema} ${what}` })
  for (const [i, { id }] of migrations.entries()) {
    const previous = migrations[i - 1]
    if (previous !== undefined && previous.id >= id) {
      return against("Unsorted", id, `is listed after ${previous.id}: list migrations in ascending order, each once.`)
    }
  }
  for (const { hash, id } of applied) {
    const known = migrations.find((migration) => migration.id === id)
    if (known === undefined) {
      return against("Unknown", id, "was applied to this database, but this program does not know it: run the version that does.")
    }
    if (hashOf(known) !== hash) {
      return against("Changed", id, "was changed after it had been applied: restore its text and put the change into a new one.")
    }
  }
  const last = applied.at(-1)?.id ?? ""
  const late = migrations.find(({ id }) => id < last && !applied.some((one) => one.id === id))
  return late && against("OutOfOrder", late.id, `comes before ${last}, which is applied already: give it a higher number.`)
}

const setUp = `
  create schema if not exists platform;
  create table if not exists platform.migration (
    schema text not null, id text not null, hash text not null, applied_at timestamptz not null default now(),
    primary key (schema, id)
  )`

/** Serialises everybody who changes the structure of this database, until the transaction ends. */
export const lock = (sql: SqlClient.SqlClient): Effect.Effect<void, SqlError.SqlError> =>
  Effect.asVoid(sql`select pg_advisory_xact_lock(hashtext('marketplace.structure'))`)

/**
 * Brings `schema` to the end of its history and returns the ids applied by this call. Each migration is one transaction;
 * any number of processes may run this at once, and each migration is applied by one of them.
 */
export const migrate = Effect.fn("Migrations.migrate")(function*(schema: string, migrations: ReadonlyArray<Migration>) {
  const sql = yield* SqlClient.SqlClient
  const applied: Array<string> = []

  /** Applies the first pending one; false when there is none. The history is read under the lock, hence again each time. */
  const next = sql.withTransaction(Effect.gen(function*() {
    yield* lock(sql)
    yield* Script.run(sql, `${setUp}; create schema if not exists ${Script.identifier(schema)}`)
    const history = yield* sql<Applied>`select id, hash from platform.migration where schema = ${schema} order by id collate "C"`
    const refused = objection(schema, migrations, history)
    if (refused !== undefined) return yield* refused
    const pending = migrations.find(({ id }) => !history.some((one) => one.id === id))
    if (pending === undefined) return false
    yield* sql.unsafe(`set local search_path to ${Script.identifier(schema)}`)
    yield* Script.run(sql, pending.sql).pipe(
      Effect.catchIf((error) => !isUnavailable(error), (error) =>
        new MigrationError({
          reason: "Failed",
          schema,
          migration: pending.id,
          message: `Migration ${pending.id} of ${schema} failed and left no trace: ${
            error.reason.cause instanceof Error ? error.reason.cause.message : error.message
          }`,
          cause: error
        }))
    )
    yield* sql`insert into platform.migration ${sql.insert({ schema, id: pending.id, hash: hashOf(pending) })}`
    applied.push(pending.id)
    return true
  }))
  yield* Effect.repeat(next, { while: (more) => more })
  const done: ReadonlyArray<string> = applied
  return done
})
