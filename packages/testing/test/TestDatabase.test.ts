import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import * as Database from "@marketplace/postgres/Database"
import { PostgresServer } from "@marketplace/postgres/PostgresServer"
import * as TestDatabase from "../src/TestDatabase.ts"

const schema = { name: "testing_shop", migrations: [{ id: "0001_item", sql: "create table item (id int)" }] }

/** As a service is tested: its own role on a database of the suite's own. */
const World = Layer.unwrap(Effect.map(PostgresServer, ({ urlOf }) =>
  Database.layer({ url: urlOf("testing_shop"), service: "shop", maxConnections: 2 }))).pipe(
  Layer.provideMerge(TestDatabase.layer([schema]))
)

const seen = new Set<string>()

for (const suite of ["a suite", "another suite"]) {
  layer(World)(suite, (it) => {
    it.effect("works as its role in a database that nobody else uses", () => Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`insert into item values (1)`
      assert.deepStrictEqual(yield* sql`select current_user as role, count(*)::int as items from item`, [
        { role: "testing_shop", items: 1 }
      ])
      const { ownerUrl } = yield* PostgresServer
      seen.add(new URL(Redacted.value(ownerUrl)).pathname.slice(1))
    }))
  })
}

layer(TestDatabase.layer([]))("afterwards", (it) => {
  it.effect("the databases are gone", () => Effect.gen(function*() {
    const { ownerUrl } = yield* PostgresServer
    assert.strictEqual(seen.size, 2)
    const left = yield* SqlClient.SqlClient.use((sql) =>
      sql`select datname from pg_database where ${sql.in("datname", [...seen])}`).pipe(
      Effect.provide(Database.layer({ url: ownerUrl, service: "owner", maxConnections: 1 }))
    )
    assert.deepStrictEqual(left, [])
  }))
})
