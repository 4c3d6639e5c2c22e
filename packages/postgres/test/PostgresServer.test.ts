import { assert, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import * as Database from "../src/Database.ts"
import { PostgresServer } from "../src/PostgresServer.ts"
import * as Schemas from "../src/Schemas.ts"
import * as Scratch from "./scratch.ts"

const schema: Schemas.DatabaseSchema = {
  name: "order_service",
  migrations: [{ id: "0001_order", sql: "create table placed (id int)" }]
}

it.live("starts the embedded server, prepares it and hands out logins; a second start finds all", () => Effect.gen(function*() {
  const directory = yield* Scratch.folder(0o755)
  const embedded = Schemas.layer([schema]).pipe(
    Layer.provideMerge(PostgresServer.layerEmbedded({ directory, port: 37432, settings: { fsync: "off" } }))
  )
  const visit = Effect.gen(function*() {
    const { ownerUrl, urlOf } = yield* PostgresServer
    assert.strictEqual(new URL(Redacted.value(ownerUrl)).pathname, "/marketplace")
    const url = urlOf("order_service")
    const environment = ConfigProvider.fromEnv({ env: { DATABASE_URL: Redacted.value(url), DATABASE_POOL_MAX: "1" } })
    yield* SqlClient.SqlClient.use((sql) => sql`insert into placed values (1)`).pipe(
      Effect.provide(Database.layerConfig("order").pipe(Layer.provide(ConfigProvider.layer(environment))))
    )
    return yield* SqlClient.SqlClient.use((sql) => sql`
      select count(*)::int as rows, current_user as role, current_database() as database from placed`).pipe(
      Effect.provide(Database.layer({ url, service: "order" }))
    )
  })
  const rows = (count: number) => [{ rows: count, role: "order_service", database: "marketplace" }]
  assert.deepStrictEqual(yield* Effect.provide(visit, Layer.fresh(embedded)), rows(1))
  assert.deepStrictEqual(yield* Effect.provide(visit, Layer.fresh(embedded)), rows(2))
}))

it.effect("takes a given server from the configuration", () => Effect.gen(function*() {
  const { ownerUrl, passwordOf, urlOf } = yield* PostgresServer
  assert.strictEqual(Redacted.value(ownerUrl), "postgres://owner:word@db.internal:5433/shop?sslmode=verify-full")
  const password = Redacted.value(passwordOf("order_service"))
  assert.strictEqual(
    Redacted.value(urlOf("order_service")),
    `postgres://order_service:${password}@db.internal:5433/shop?sslmode=verify-full`
  )
  assert.notStrictEqual(Redacted.value(passwordOf("payment_service")), password)
}).pipe(Effect.provide(PostgresServer.layerConfig.pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({
  env: { DATABASE_OWNER_URL: "postgres://owner:word@db.internal:5433/shop?sslmode=verify-full", DATABASE_ROLE_SECRET: "secret" }
})))))))
