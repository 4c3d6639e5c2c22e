import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import * as Database from "../src/Database.ts"
import * as Migrations from "../src/Migrations.ts"
import * as Scratch from "./scratch.ts"

const World = Layer.unwrap(Effect.map(Scratch.database, ({ ownerUrl }) =>
  Database.layer({ url: ownerUrl, service: "owner", maxConnections: 6 })))

const first = { id: "0001_order", sql: "create table placed (id int primary key); create index on placed (id)" }
const second = { id: "0002_seed", sql: "insert into placed values (1); alter table placed add column note text" }
const third = { id: "0003_more", sql: "insert into placed values (2, 'two')" }

layer(World)("migrations", (it) => {
  it.effect("are applied once, in order, each in its schema", () => Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    assert.deepStrictEqual(yield* Migrations.migrate("once", [first, second]), [first.id, second.id])
    assert.deepStrictEqual(yield* Migrations.migrate("once", [first, second]), [])
    assert.deepStrictEqual(yield* Migrations.migrate("once", [first, second, third]), [third.id])
    assert.deepStrictEqual(yield* sql`select * from once.placed order by id`, [{ id: 1, note: null }, { id: 2, note: "two" }])
    assert.deepStrictEqual(yield* Migrations.migrate("another", [first]), [first.id])
    assert.deepStrictEqual(yield* sql`select * from another.placed`, [])
    // The session's search path is not changed.
    assert.deepStrictEqual(yield* sql`select to_regclass('placed') as found`, [{ found: null }])
  }))

  it.effect("run by many processes at once are applied by one of them", () => Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const applied = yield* Effect.all(
      Array.from({ length: 6 }, () => Migrations.migrate("raced", [first, second, third])),
      { concurrency: "unbounded" }
    )
    assert.deepStrictEqual(applied.flat().sort(), [first.id, second.id, third.id])
    assert.deepStrictEqual(yield* sql`select count(*)::int as rows from raced.placed`, [{ rows: 2 }])
  }))

  it.effect("are refused when the history does not fit, with nothing applied", () => Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const third = { id: "0003_more", sql: "insert into placed values (2)" }
    yield* Migrations.migrate("history", [first, third])
    const refusal = (...list: ReadonlyArray<Migrations.Migration>) =>
      Effect.map(Effect.flip(Migrations.migrate("history", list)), (error) =>
        error._tag === "MigrationError" ? [error.reason, error.migration, error.message] : assert.fail(error.message))
    const later = { id: "0009_later", sql: "create table later ()" }
    assert.deepStrictEqual(yield* refusal({ ...first, sql: `${first.sql};` }, third, later), [
      "Changed",
      first.id,
      "Migration 0001_order of history was changed after it had been applied: restore its text and put the change into a new one."
    ])
    assert.deepStrictEqual(yield* refusal(first, second, third, later), [
      "OutOfOrder",
      second.id,
      "Migration 0002_seed of history comes before 0003_more, which is applied already: give it a higher number."
    ])
    assert.deepStrictEqual(yield* refusal(first, later), [
      "Unknown",
      third.id,
      "Migration 0003_more of history was applied to this database, but this program does not know it: run the version that does."
    ])
    assert.strictEqual((yield* refusal(third, first))[0], "Unsorted")
    assert.strictEqual((yield* refusal(first, first, third))[0], "Unsorted")
    assert.deepStrictEqual(yield* sql`select to_regclass('history.later') as found`, [{ found: null }])
  }))

  it.effect("leave no trace when they fail, and keep those before", () => Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const broken = { id: "0002_broken", sql: "insert into placed values (7); insert into missing values (1)" }
    const error = yield* Effect.flip(Migrations.migrate("failing", [first, broken, third]))
    assert.strictEqual(
      error.message,
      "Migration 0002_broken of failing failed and left no trace: relation \"missing\" does not exist"
    )
    assert.deepStrictEqual(yield* sql`select * from failing.placed`, [])
    assert.deepStrictEqual(yield* sql`select id from platform.migration where schema = 'failing'`, [{ id: first.id }])
    assert.deepStrictEqual(yield* Migrations.migrate("failing", [first, { ...second, id: "0002_fixed" }]), ["0002_fixed"])
  }))

  it.effect("cannot leave their transaction", () => Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const error = yield* Effect.flip(Migrations.migrate("sly", [{ id: "0001", sql: "create table kept (); commit" }]))
    assert.strictEqual(error._tag === "MigrationError" ? error.reason : error._tag, "Failed")
    assert.deepStrictEqual(yield* sql`select to_regclass('sly.kept') as found`, [{ found: null }])
  }))

  it.effect("may hold any text", () => Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const body = "create table quoted (text text); insert into quoted values ('$script$ $script0$ it''s'); -- with a comment"
    const routine = "create function answer() returns int language plpgsql as $$ begin return 42; end $$"
    yield* Migrations.migrate("text", [{ id: "0001", sql: body }, { id: "0002", sql: routine }])
    assert.deepStrictEqual(yield* sql`select text, text.answer() as answer from text.quoted`, [
      { text: "$script$ $script0$ it's", answer: 42 }
    ])
  }))
})
