import { Effect, Layer, Redacted } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { createHash } from "node:crypto"
import * as Database from "./Database.ts"
import * as Migrations from "./Migrations.ts"
import { PostgresServer } from "./PostgresServer.ts"
import * as Script from "./Script.ts"

/** A PostgreSQL schema with the role of the service that works in it. */
export interface DatabaseSchema {
  /** Name of the schema and of its login role, as it is used in SQL: `order_service`. */
  readonly name: string
  /** `false`: a schema without a role of its own; what others may do in it is said by `grants`. True if left out. */
  readonly login?: boolean
  readonly migrations: ReadonlyArray<Migrations.Migration>
  /**
   * SQL statements, run by the owner after all schemas' migrations: what other roles may do here, or what the own role may
   * not. They start from a clean state each time (the own role has select, insert, update and delete on its tables, the
   * others nothing), so a statement that is dropped from the list takes its right with it.
   */
  readonly grants?: ReadonlyArray<string>
}

type PasswordOf = (role: string) => Redacted.Redacted<string>

/** Part of every fingerprint: a change of what this file does makes it happen again. */
const edition = 1

const digest = (value: unknown): string => createHash("sha256").update(JSON.stringify([edition, value])).digest("hex")

const roleSettings = (searchPath: string): Readonly<Record<string, string>> => ({
  search_path: searchPath,
  statement_timeout: "30s",
  idle_in_transaction_session_timeout: "30s",
  // The services' statements are prepared and find a few rows by their keys. By itself PostgreSQL plans those anew at each
  // call that take ids as an array, since it expects ten of them.
  plan_cache_mode: "force_generic_plan"
})

interface Role {
  readonly name: string
  readonly settings: Readonly<Record<string, string>>
  readonly password: Redacted.Redacted<string>
}

const ownRole = (name: string, passwordOf: PasswordOf): Role => ({
  name,
  settings: roleSettings(Script.identifier(name)),
  password: passwordOf(name)
})

/** Kept as the role's comment, beside the role: roles belong to the whole cluster and are shared by its databases. */
const roleFingerprint = ({ name, password, settings }: Role): string => digest([name, settings, Redacted.value(password)])

/**
 * Preparations of several databases of one cluster meet at the roles, and locks do not reach from one database to another.
 * Whoever comes second has waited for the first one's commit and then fails; trying again at once finds a settled row.
 */
const meetsAnother = ({ reason: { cause } }: SqlError.SqlError): boolean =>
  cause instanceof Error && /tuple concurrently (updated|deleted)/.test(cause.message)

/** Two that create the same role at once: unique violation or duplicate object. */
const madeByAnother = (error: SqlError.SqlError): boolean => ["23505", "42710"].includes(Database.sqlState(error) ?? "")

/** The password travels as a parameter: the text of statements is kept in traces. */
const ensureRole = (sql: SqlClient.SqlClient, role: Role): Effect.Effect<void, SqlError.SqlError> => {
  const name = Script.identifier(role.name)
  const fingerprint = roleFingerprint(role)
  const withPassword = (statement: string) =>
    `execute format('${statement} ${name} login password %L', current_setting('marketplace.password'));`
  const settings = Object.entries(role.settings).map(([setting, value]) =>
    `alter role ${name} set ${setting} = ${setting === "search_path" ? value : Script.literal(value)};`)
  const write = sql.withTransaction(Effect.gen(function*() {
    yield* sql`select set_config('marketplace.password', ${Redacted.value(role.password)}, true)`
    yield* Script.run(sql, `
      do $role$ begin
        if exists (select from pg_roles where rolname = ${Script.literal(role.name)}) then
          ${withPassword("alter role")}
        else
          ${withPassword("create role")}
        end if;
      end $role$;
      ${settings.join("\n")}
      comment on role ${name} is ${Script.literal(fingerprint)}`)
  }))
  return sql<{ readonly fingerprint: string | null }>`
    select shobj_description(oid, 'pg_authid') as fingerprint from pg_roles where rolname = ${role.name}`.pipe(
    Effect.flatMap(([found]) => found?.fingerprint === fingerprint ? Effect.void : write),
    Effect.retry({ while: (error) => meetsAnother(error) || madeByAnother(error), times: 100 })
  )
}

const dml = "select, insert, update, delete"

/** The schema belongs to the owner; its role may work in it and change nothing of its structure. */
const schemaScript = ({ login = true, name }: DatabaseSchema): string => {
  const schema = Script.identifier(name)
  return `
    create schema if not exists ${schema};
    revoke all on schema ${schema} from public;
    ${
    login
      ? `alter default privileges in schema ${schema} grant ${dml} on tables to ${schema};
         alter default privileges in schema ${schema} grant usage, select on sequences to ${schema};
         do $connect$ begin execute format('grant connect on database %I to ${schema}', current_database()); end $connect$`
      : ""
  }`
}

/** All of a schema's rights of the known roles, from scratch. */
const grantScript = ({ grants = [], login = true, name }: DatabaseSchema, roles: ReadonlyArray<string>): string => {
  const schema = Script.identifier(name)
  const on = (what: string) => `on all ${what} in schema ${schema}`
  const everybody = roles.map(Script.identifier).join(", ")
  return [
    ...(roles.length === 0 ? [] : [`on schema ${schema}`, on("tables"), on("sequences")].map((what) =>
      `revoke all ${what} from ${everybody}`)),
    ...(login
      ? [
        `grant usage on schema ${schema} to ${schema}`,
        `grant ${dml} ${on("tables")} to ${schema}`,
        `grant usage, select ${on("sequences")} to ${schema}`
      ]
      : []),
    ...grants
  ].join(";\n")
}

const setUp = `
  create schema if not exists platform;
  revoke all on schema platform from public;
  create table if not exists platform.prepared (name text primary key, fingerprint text not null);
  do $closed$ begin execute format('revoke all on database %I from public', current_database()); end $closed$`

interface Prepared {
  readonly name: string
  readonly fingerprint: string
  readonly role: string | null
}

/** What is prepared, in one query; nothing at all in a new database. */
const prepared = (sql: SqlClient.SqlClient): Effect.Effect<ReadonlyArray<Prepared>, SqlError.SqlError> =>
  sql<Prepared>`
    select name, fingerprint, shobj_description(r.oid, 'pg_authid') as role
    from platform.prepared left join pg_roles r on r.rolname = name`.pipe(
    Effect.catchIf((error) => Database.sqlState(error) === "42P01", () => Effect.succeed([]))
  )

const remember = (sql: SqlClient.SqlClient, name: string, fingerprint: string) =>
  sql`insert into platform.prepared ${sql.insert({ name, fingerprint })}
    on conflict (name) do update set fingerprint = excluded.fingerprint`

/** Rights are changed under the lock of structure, all or none. */
const underLock = (sql: SqlClient.SqlClient, change: Effect.Effect<void, SqlError.SqlError>) =>
  sql.withTransaction(Effect.andThen(Migrations.lock(sql), change)).pipe(Effect.retry({ while: meetsAnother, times: 100 }))

/**
 * Brings a database to what the program expects: roles, schemas, migrations, rights. Runs as the owner at each start;
 * when nothing has changed, one query says so. Any number of processes may run it at once. What it does not know (other
 * schemas, other roles) it leaves alone.
 *
 * @param passwordOf must be the same for all databases of a cluster, since they share the roles
 */
export const prepare = Effect.fn("Schemas.prepare")(function*(
  schemas: ReadonlyArray<DatabaseSchema>,
  passwordOf: PasswordOf
): Effect.fn.Return<void, Migrations.MigrationError | SqlError.SqlError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const roles = schemas.filter(({ login = true }) => login).map(({ name }) => ownRole(name, passwordOf))
  const roleNames = roles.map(({ name }) => name)
  const wanted = schemas.map((schema) => ({
    name: schema.name,
    fingerprint: digest([schema.login ?? true, schema.migrations.map(({ id }) => id), schema.migrations.map(Migrations.hashOf),
      schema.grants ?? []]),
    role: roles.filter(({ name }) => name === schema.name).map(roleFingerprint)[0]
  }))
  const found = yield* prepared(sql)
  const isPrepared = wanted.every(({ fingerprint, name, role }) =>
    found.some((one) => one.name === name && one.fingerprint === fingerprint && (role === undefined || one.role === role)))
  if (isPrepared) return

  yield* Effect.forEach(roles, (role) => ensureRole(sql, role), { discard: true })
  yield* underLock(sql, Script.run(sql, [setUp, ...schemas.map(schemaScript)].join(";\n")))
  for (const { migrations, name } of schemas) {
    const applied = yield* Migrations.migrate(name, migrations)
    if (applied.length > 0) yield* Effect.logDebug(`${name}: applied ${applied.join(", ")}`)
  }
  yield* underLock(sql, Effect.gen(function*() {
    yield* Script.run(sql, schemas.map((schema) => grantScript(schema, roleNames)).join(";\n"))
    yield* Effect.forEach(wanted, ({ fingerprint, name }) => remember(sql, name, fingerprint), { discard: true })
  }))
})

/**
 * A role that may read these schemas, their future tables included, and change nothing: for an operator's checks and
 * reports. Comes after `prepare`.
 */
export const prepareReader = Effect.fn("Schemas.prepareReader")(function*(
  role: string,
  schemas: ReadonlyArray<DatabaseSchema>,
  password: Redacted.Redacted<string>
): Effect.fn.Return<void, SqlError.SqlError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const reader: Role = { name: role, settings: { ...roleSettings("''"), default_transaction_read_only: "on" }, password }
  const names = schemas.map(({ name }) => name)
  const [fingerprint, ofRole] = [digest(names), roleFingerprint(reader)]
  const found = yield* prepared(sql)
  if (found.some((one) => one.name === role && one.fingerprint === fingerprint && one.role === ofRole)) return

  const to = `to ${Script.identifier(role)}`
  yield* ensureRole(sql, reader)
  yield* underLock(sql, Effect.gen(function*() {
    yield* Script.run(sql, [
      setUp,
      `do $connect$ begin execute format('grant connect on database %I ${to}', current_database()); end $connect$`,
      ...names.map(Script.identifier).flatMap((schema) => [
        `grant usage on schema ${schema} ${to}`,
        `grant select on all tables in schema ${schema} ${to}`,
        `alter default privileges in schema ${schema} grant select on tables ${to}`
      ])
    ].join(";\n"))
    yield* remember(sql, role, fingerprint)
  }))
})

/** `prepare` on the server's database, when the layer is built. */
export const layer = (schemas: ReadonlyArray<DatabaseSchema>) =>
  Layer.effectDiscard(Effect.gen(function*() {
    const { ownerUrl, passwordOf } = yield* PostgresServer
    const owner = Database.layer({ url: ownerUrl, service: "owner", maxConnections: 1 })
    yield* Effect.provide(prepare(schemas, passwordOf), owner)
  }))
