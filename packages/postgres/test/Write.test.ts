import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import * as Database from "../src/Database.ts"
import * as Write from "../src/Write.ts"
import * as Scratch from "./scratch.ts"

const World = Layer.unwrap(Effect.map(Scratch.database, ({ ownerUrl }) =>
  Database.layer({ url: ownerUrl, service: "writer" })))

/** Inserts the names, and counts how often it was made. */
const inserting = (sql: SqlClient.SqlClient, ...names: ReadonlyArray<string>) => {
  const seen = { made: 0 }
  const write: Write.Write<"taken"> = {
    statements: names.map((name) => (when) => sql`insert into thing (name) select ${name} where ${when}`),
    meaning: (error) => error.reason._tag === "UniqueViolation" ? "taken" : error,
    made: Effect.sync(() => void seen.made++)
  }
  return { seen, write }
}

const names = SqlClient.SqlClient.use((sql) =>
  Effect.map(sql<{ readonly name: string }>`select name from thing order by name`, (rows) => rows.map(({ name }) => name)))

layer(World, { excludeTestServices: true })("a write", (it) => {
  const test = (promise: string, body: (sql: SqlClient.SqlClient) => Effect.Effect<void, unknown, SqlClient.SqlClient>) =>
    it.effect(promise, () => SqlClient.SqlClient.use((sql) =>
      sql`drop table if exists thing`.pipe(
        Effect.andThen(sql`create table thing (name text primary key)`),
        Effect.andThen(body(sql))
      )))

  test("is made by itself, as a whole", Effect.fnUntraced(function*(sql) {
    const { seen, write } = inserting(sql, "cup", "plate")
    yield* Write.run(sql, write)
    assert.deepStrictEqual([yield* names, seen.made], [["cup", "plate"], 1])
  }))

  test("that fails leaves nothing, and says what that means", Effect.fnUntraced(function*(sql) {
    yield* Write.run(sql, inserting(sql, "plate").write)
    const { seen, write } = inserting(sql, "cup", "plate")
    assert.strictEqual(yield* Effect.flip(Write.run(sql, write)), "taken")
    assert.deepStrictEqual([yield* names, seen.made], [["plate"], 0])
  }))

  test("goes with another statement, where a condition on that holds", Effect.fnUntraced(function*(sql) {
    const after = (from: string, to: string) =>
      sql`with renamed as (update thing set name = ${to} where name = ${from} returning name)
        ${Write.parts(sql, "with", inserting(sql, `${to} 1`, `${to} 2`).write, sql`exists (select from renamed)`)}
        select name from renamed`
    yield* Write.run(sql, inserting(sql, "cup").write)
    assert.strictEqual((yield* after("bowl", "pot")).length, 0)
    assert.deepStrictEqual(yield* names, ["cup"])
    assert.strictEqual((yield* after("cup", "mug")).length, 1)
    assert.deepStrictEqual(yield* names, ["mug", "mug 1", "mug 2"])
  }))

  test("of nothing makes nothing, and may be a part of any statement", Effect.fnUntraced(function*(sql) {
    yield* sql`drop table thing`
    yield* Write.run(sql, { ...Write.nothing, made: Effect.die("something was made") })
    const [row] = yield* sql<{ n: number }>`with one as (select 1 as n)${Write.parts(sql, "with", Write.nothing, sql`true`)} select n from one`
    assert.strictEqual(row?.n, 1)
  }))
})
