import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Tracer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { PgClient } from "@effect/sql-pg"
import * as Database from "../src/Database.ts"
import { PostgresServer } from "../src/PostgresServer.ts"
import * as Schemas from "../src/Schemas.ts"
import * as Scratch from "./scratch.ts"

// Roles belong to the whole server, which other suites use at the same time: these are this suite's own.
const orders: Schemas.DatabaseSchema = {
  name: "schemas_order",
  migrations: [{ id: "0001_order", sql: "create table placed (id int generated always as identity, note text)" }]
}
const payments: Schemas.DatabaseSchema = {
  name: "schemas_payment",
  migrations: [{ id: "0001_ledger", sql: "create table ledger (amount bigint)" }],
  // A ledger is only added to.
  grants: ["revoke update, delete on schemas_payment.ledger from schemas_payment"]
}
const events: Schemas.DatabaseSchema = {
  name: "schemas_events",
  login: false,
  migrations: [{ id: "0001_log", sql: "create table order_log (position bigint)" }],
  grants: [
    "grant usage on schema schemas_events to schemas_order, schemas_payment",
    "grant insert on schemas_events.order_log to schemas_order",
    "grant select on schemas_events.order_log to schemas_payment"
  ]
}
const all = [orders, payments, events]

/** Each test has a database of its own; the roles it shares with the others. */
const inDatabase = <A, E, R>(test: Effect.Effect<A, E, R>) => Effect.provideServiceEffect(test, PostgresServer, Scratch.database)

const owner = <A, E>(effect: Effect.Effect<A, E, SqlClient.SqlClient>) =>
  Effect.flatMap(PostgresServer, ({ ownerUrl }) =>
    Effect.provide(effect, Database.layer({ url: ownerUrl, service: "owner", maxConnections: 4 }), { local: true }))

const prepare = (schemas: ReadonlyArray<Schemas.DatabaseSchema>) =>
  Effect.flatMap(PostgresServer, ({ passwordOf }) => owner(Schemas.prepare(schemas, passwordOf)))

/** What a role gets to see on a connection of its own. */
const as = (role: string, statement: string, startupParameters: Record<string, string> = {}) =>
  Effect.flatMap(PostgresServer, ({ urlOf }) =>
    SqlClient.SqlClient.use((sql) => sql.unsafe(statement)).pipe(
      Effect.provide(PgClient.layer({ url: urlOf(role), maxConnections: 1, startupParameters }), { local: true })
    ))

const refusal = <A, R>(effect: Effect.Effect<A, SqlError.SqlError, R>) =>
  Effect.map(Effect.flip(effect), (error) =>
    error.reason.cause instanceof Error ? error.reason.cause.message : error.message)

describe("schemas", () => {
  it.live("give a role its own tables and nothing else", () => inDatabase(Effect.gen(function*() {
    yield* prepare(all)
    const { ownerUrl } = yield* PostgresServer
    const database = new URL(Redacted.value(ownerUrl)).pathname.slice(1)
    assert.deepStrictEqual(yield* as("schemas_order", "insert into placed (note) values ('a') returning id"), [{ id: 1 }])
    assert.deepStrictEqual(yield* as("schemas_order", "update placed set note = 'b' returning note"), [{ note: "b" }])
    assert.deepStrictEqual(yield* as("schemas_order", "delete from placed returning id"), [{ id: 1 }])
    const refused: ReadonlyArray<readonly [statement: string, message: string]> = [
      ["select * from schemas_payment.ledger", "permission denied for schema schemas_payment"],
      ["select * from platform.migration", "permission denied for schema platform"],
      ["create table own ()", "permission denied for schema schemas_order"],
      ["alter table placed add column more int", "must be owner of table placed"],
      ["truncate placed", "permission denied for table placed"],
      ["drop table placed", "must be owner of table placed"],
      ["create temporary table own ()", `permission denied to create temporary tables in database "${database}"`],
      ["create schema own", `permission denied for database ${database}`],
      ["create table public.own ()", "permission denied for schema public"],
      ["create role own", "permission denied to create role"],
      ["create database own", "permission denied to create database"],
      ["set role schemas_payment", `permission denied to set role "schemas_payment"`]
    ]
    for (const [statement, message] of refused) {
      assert.strictEqual(yield* refusal(as("schemas_order", statement)), message, statement)
    }
    assert.deepStrictEqual(
      yield* as("schemas_order", `select current_setting('search_path') as path,
        current_setting('statement_timeout') as statement, current_setting('idle_in_transaction_session_timeout') as idle,
        current_setting('plan_cache_mode') as plans`),
      [{ path: "schemas_order", statement: "30s", idle: "30s", plans: "force_generic_plan" }]
    )
    assert.strictEqual(
      yield* refusal(Effect.provide(
        SqlClient.SqlClient.use((sql) => sql`select 1`),
        PgClient.layer({ url: Scratch.withLogin(ownerUrl, "schemas_order", "guess") }),
        { local: true }
      )),
      `password authentication failed for user "schemas_order"`
    )
  })))

  it.live("add and take what `grants` says, and no more than it says now", () => inDatabase(Effect.gen(function*() {
    yield* prepare(all)
    yield* as("schemas_payment", "insert into ledger values (1)")
    assert.strictEqual(yield* refusal(as("schemas_payment", "delete from ledger")), "permission denied for table ledger")
    yield* as("schemas_order", "insert into schemas_events.order_log values (1)")
    assert.deepStrictEqual(yield* as("schemas_payment", "select * from schemas_events.order_log"), [{ position: 1n }])
    assert.strictEqual(
      yield* refusal(as("schemas_order", "select * from schemas_events.order_log")),
      "permission denied for table order_log"
    )
    yield* prepare([orders, payments, { ...events, grants: ["grant usage on schema schemas_events to schemas_payment"] }])
    assert.strictEqual(
      yield* refusal(as("schemas_payment", "select * from schemas_events.order_log")),
      "permission denied for table order_log"
    )
    assert.strictEqual(
      yield* refusal(as("schemas_order", "insert into schemas_events.order_log values (1)")),
      "permission denied for schema schemas_events"
    )
    yield* prepare(all)
  })))

  it.live("reach later tables; when nothing has changed, one query says so", () => inDatabase(Effect.gen(function*() {
    const { ownerUrl, passwordOf } = yield* PostgresServer
    const more = { ...orders, migrations: [...orders.migrations, { id: "0002_more", sql: "create table later (id int)" }] }
    yield* prepare([more, payments, events])
    assert.deepStrictEqual(yield* as("schemas_order", "insert into later values (1) returning id"), [{ id: 1 }])
    const asked: Array<string> = []
    const tracer = Tracer.make({
      span: (options) => {
        asked.push(options.name)
        return new Tracer.NativeSpan(options)
      }
    })
    yield* owner(Effect.withTracer(Schemas.prepare([more, payments, events], passwordOf), tracer))
    // Its own span and that of the query, which is named after the database.
    assert.deepStrictEqual(asked, ["Schemas.prepare", new URL(Redacted.value(ownerUrl)).pathname.slice(1)])
  })))

  it.live("follow a new secret", () => inDatabase(Effect.gen(function*() {
    yield* prepare(all)
    const server = yield* PostgresServer
    const rotated = PostgresServer.at(server.ownerUrl, Redacted.make("another secret"))
    yield* prepare([orders]).pipe(Effect.provideService(PostgresServer, rotated))
    assert.include(yield* refusal(as("schemas_order", "select 1")), "password authentication failed")
    assert.deepStrictEqual(
      yield* as("schemas_order", "select 1 as one").pipe(Effect.provideService(PostgresServer, rotated)),
      [{ one: 1 }]
    )
    yield* prepare([orders])
    assert.deepStrictEqual(yield* as("schemas_order", "select 1 as one"), [{ one: 1 }])
  })))

  it.live("may be read by a reader, also what comes later, and nothing more", () => inDatabase(Effect.gen(function*() {
    const { passwordOf } = yield* PostgresServer
    const reader = "schemas_reader"
    yield* prepare(all)
    yield* owner(Schemas.prepareReader(reader, [orders, payments], passwordOf(reader)))
    yield* owner(Schemas.prepareReader(reader, [orders, payments], passwordOf(reader)))
    yield* owner(SqlClient.SqlClient.use((sql) => sql`create table schemas_order.afterwards (id int)`))
    const tables = yield* as(reader, "select count(*) from schemas_order.afterwards, schemas_order.placed")
    assert.deepStrictEqual(tables, [{ count: 0n }])
    const write = "insert into schemas_order.placed (note) values ('x')"
    assert.strictEqual(yield* refusal(as(reader, write)), "cannot execute INSERT in a read-only transaction")
    assert.strictEqual(
      yield* refusal(as(reader, write, { default_transaction_read_only: "off" })),
      "permission denied for table placed"
    )
    assert.strictEqual(
      yield* refusal(as(reader, "select * from schemas_events.order_log")),
      "permission denied for schema schemas_events"
    )
  })))

  it.live("need no superuser: an owner of the database who may create roles is enough", () => inDatabase(Effect.gen(function*() {
    const { ownerUrl } = yield* PostgresServer
    const database = new URL(Redacted.value(ownerUrl)).pathname.slice(1)
    yield* owner(SqlClient.SqlClient.use((sql) => sql.unsafe(`do $$ begin
      if not exists (select from pg_roles where rolname = 'schemas_admin') then
        create role schemas_admin login createrole password 'word';
      end if;
      alter database ${database} owner to schemas_admin;
    end $$`)))
    const managed = PostgresServer.at(Scratch.withLogin(ownerUrl, "schemas_admin", "word"), Redacted.make("secret"))
    const schema = { ...orders, name: "schemas_managed" }
    yield* Effect.gen(function*() {
      yield* prepare([schema])
      yield* owner(Schemas.prepareReader("schemas_managed_reader", [schema], managed.passwordOf("schemas_managed_reader")))
      assert.deepStrictEqual(yield* as("schemas_managed", "insert into placed (note) values ('a') returning id"), [{ id: 1 }])
      assert.deepStrictEqual(yield* as("schemas_managed_reader", "select note from schemas_managed.placed"), [{ note: "a" }])
    }).pipe(Effect.provideService(PostgresServer, managed))
  })))
})

describe("databases of one server", () => {
  it.live("can be prepared at the same time although they share their roles", () => Effect.gen(function*() {
    const shared = ["a", "b", "c"].map((name): Schemas.DatabaseSchema => ({ name: `schemas_shared_${name}`, migrations: [] }))
    const databases = yield* Effect.all(Array.from({ length: 6 }, () => Scratch.database), { concurrency: 6 })
    const roles = shared.map(({ name }) => name)
    yield* Effect.forEach(databases, (server, i) =>
      // Every other one with another secret, so that they change each other's roles all the time.
      prepare(shared).pipe(Effect.provideService(
        PostgresServer,
        i % 2 === 0 ? server : PostgresServer.at(server.ownerUrl, Redacted.make("another secret"))
      )), { concurrency: 6 })
    const [first] = databases
    assert(first !== undefined)
    yield* prepare(shared).pipe(Effect.provideService(PostgresServer, first))
    for (const role of roles) {
      assert.deepStrictEqual(yield* as(role, "select 1 as one").pipe(Effect.provideService(PostgresServer, first)), [{ one: 1 }])
    }
  }))
})
