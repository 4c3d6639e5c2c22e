import { assert, it, layer } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Fiber, Layer, Schedule } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { PgClient } from "@effect/sql-pg"
import * as Database from "../src/Database.ts"
import * as Embedded from "../src/Embedded.ts"
import * as Scratch from "./scratch.ts"

/** A server of this suite's own, since it is hit, and the clients of a service and of an administrator. */
class Server extends Context.Service<Server, Embedded.EmbeddedPostgres>()("test/Server") {
  static readonly layer = Layer.effect(Server, Effect.gen(function*() {
    return yield* Embedded.start({ directory: yield* Scratch.folder(0o755), port: 36432, settings: { fsync: "off" } })
  }))
}

const World = Layer.unwrap(Effect.gen(function*() {
  const { ownerUrl } = yield* Server
  return Database.layer({ url: ownerUrl, service: "victim", maxConnections: 2 })
})).pipe(Layer.provideMerge(Server.layer))

/** Ends the service's sessions as an administrator would; returns how many there were. */
const terminate = Effect.gen(function*() {
  const { ownerUrl } = yield* Server
  const ended = yield* PgClient.PgClient.use((sql) =>
    sql`select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'victim'`).pipe(
    Effect.provide(PgClient.layer({ url: ownerUrl, maxConnections: 1 }))
  )
  return ended.length
})

/** The typed failure; a success and a defect fail the test. */
const lossOf = <A, R>(effect: Effect.Effect<A, SqlError.SqlError, R>) =>
  Effect.map(Effect.exit(effect), (exit) => {
    const reason = Exit.isFailure(exit) ? exit.cause.reasons[0] : undefined
    assert.isTrue(reason !== undefined && Cause.isFailReason(reason), String(exit))
    return reason !== undefined && Cause.isFailReason(reason) ? reason.error : assert.fail("no failure")
  })

/** As a caller does that waits for the database. Unlike a plain retry it also proves that nothing else goes wrong meanwhile. */
const patiently = <A, R>(effect: Effect.Effect<A, SqlError.SqlError, R>) =>
  Effect.retry(effect, {
    while: Database.isUnavailable,
    schedule: Schedule.spaced("20 millis").pipe(Schedule.upTo({ duration: "10 seconds" }))
  })

const both = (sql: SqlClient.SqlClient) =>
  Effect.all([sql`select pg_sleep(0.02), 1 as one`, sql`select pg_sleep(0.02), 1 as one`], { concurrency: 2 })

layer(World, { excludeTestServices: true })("a pool of connections", (it) => {
  it.effect("replaces sessions that were terminated while idle", () => Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    for (let round = 0; round < 3; round++) {
      yield* patiently(both(sql))
      assert.strictEqual(yield* terminate, 2)
    }
    yield* patiently(both(sql))
  }))

  it.effect("reports a session that is lost during a statement, and goes on", () => Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* patiently(sql`select 1`)
    const running = yield* Effect.forkChild(lossOf(sql`select pg_sleep(20)`))
    yield* Effect.repeat(terminate, { until: () => running.pollUnsafe() !== undefined, schedule: Schedule.spaced("20 millis") })
    assert.isTrue(Database.isUnavailable(yield* Fiber.join(running)))
    yield* patiently(both(sql))
  }))

  it.effect("reports a lost transaction as a failure, not as a defect, and loses no slot to it", () => Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const read = sql`select 1`
    const transactions: ReadonlyArray<Effect.Effect<unknown, SqlError.SqlError, Server>> = [
      Effect.andThen(Effect.andThen(read, terminate), read),
      Effect.andThen(read, terminate),
      sql.withTransaction(Effect.andThen(Effect.andThen(read, terminate), read)),
      Effect.andThen(Effect.andThen(read, terminate), Effect.fail(new SqlError.SqlError({
        reason: new SqlError.UnknownError({ cause: new Error("a failure of the caller's own") })
      })))
    ]
    for (const transaction of transactions) {
      yield* patiently(read)
      assert.isTrue(Database.isUnavailable(yield* lossOf(sql.withTransaction(transaction))))
      yield* patiently(both(sql))
    }
  }))

  it.effect("survives SIGKILL of the server and its restart", () => Effect.gen(function*() {
    const server = yield* Server
    const sql = yield* SqlClient.SqlClient
    yield* sql`create table survivor (at int)`
    const waiting = yield* Effect.forkChild(Effect.all(
      // More work than connections: some run, some wait for a connection.
      Array.from({ length: 6 }, () => Effect.exit(sql`select pg_sleep(20)`)),
      { concurrency: "unbounded" }
    ))
    yield* sql`select 1`.pipe(Effect.timeoutOption("200 millis"), Effect.repeat({ until: (answer) => answer._tag === "None" }))
    yield* server.kill9
    for (const exit of yield* Fiber.join(waiting)) {
      const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
      assert.isTrue(SqlError.isSqlError(error) && Database.isUnavailable(error), String(exit))
    }
    yield* patiently(sql.withTransaction(sql`insert into survivor values (1)`))
    yield* patiently(both(sql))
    assert.deepStrictEqual(yield* sql`select at from survivor`, [{ at: 1 }])
  }))

  it.effect("tells a database that is away from a broken rule", () => Effect.gen(function*() {
    const { ownerUrl } = yield* Server
    const sql = yield* SqlClient.SqlClient
    yield* sql`create table rule (id int primary key check (id > 0), parent int references rule)`
    yield* sql`insert into rule values (1)`
    const failing = (statement: string) => Effect.map(lossOf(sql.unsafe(statement)), Database.isUnavailable)
    assert.isFalse(yield* failing("insert into rule values (1)"))
    assert.isFalse(yield* failing("insert into rule values (0)"))
    assert.isFalse(yield* failing("insert into rule values (2, 9)"))
    assert.isFalse(yield* failing("select nothing from nowhere"))
    assert.isFalse(yield* failing("select 1 / 0"))
    const slow = sql.withTransaction(Effect.andThen(sql`set local statement_timeout = '20ms'`, sql`select pg_sleep(20)`))
    assert.isTrue(Database.isUnavailable(yield* lossOf(slow)))
    const crowded = yield* lossOf(Effect.gen(function*() {
      yield* sql`create role crowded login password 'crowded' connection limit 0`
      const url = Scratch.withLogin(ownerUrl, "crowded", "crowded")
      return yield* Effect.provide(SqlClient.SqlClient.use((client) => client`select 1`), PgClient.layer({ url }))
    }))
    assert.strictEqual(Database.sqlState(crowded), "53300")
    assert.isTrue(Database.isUnavailable(crowded))
  }))

  it.effect("translates names, but not those inside jsonb", () => Effect.gen(function*() {
    const sql = yield* PgClient.PgClient
    const inside = { fooBar: 1, some_key: [{ deeperKey: 2, other_key: 3 }] }
    yield* sql`create table shape (some_name text, some_json jsonb)`
    yield* sql`insert into shape ${sql.insert({ someName: "a", someJson: sql.json(inside) })}`
    assert.deepStrictEqual(yield* sql`select some_name, some_json from shape where ${sql("someName")} = 'a'`, [
      { someName: "a", someJson: inside }
    ])
    assert.deepStrictEqual(yield* sql`select some_json ->> 'fooBar' as one from shape`, [{ one: "1" }])
    assert.deepStrictEqual(yield* sql`select application_name from pg_stat_activity where pid = pg_backend_pid()`, [
      { applicationName: "victim" }
    ])
  }))
})

it.live("waits at boot until the server is there, and says so", () => Effect.gen(function*() {
  const directory = yield* Scratch.folder(0o755)
  const start = Embedded.start({ directory, port: 36442, settings: { fsync: "off" } })
  const { ownerUrl, port } = yield* Effect.scoped(start)
  const lines: Array<string> = []
  const booting = yield* Layer.build(Database.layer({ url: ownerUrl, service: "order" })).pipe(
    (build) => Scratch.logged(build, lines),
    Effect.forkScoped
  )
  yield* Effect.sync(() => lines.length).pipe(
    Effect.repeat({ until: (count) => count > 0, schedule: Schedule.spaced("10 millis") }),
    Effect.timeout("10 seconds")
  )
  assert.include(lines[0], `order waits for PostgreSQL at 127.0.0.1:${port}`)
  yield* start
  const { result } = yield* Fiber.join(booting)
  assert.deepStrictEqual(yield* Context.get(result, SqlClient.SqlClient)`select 1 as one`, [{ one: 1 }])
}))
