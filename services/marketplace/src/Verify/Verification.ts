import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import * as Database from "@marketplace/postgres/Database"
import { PostgresServer } from "@marketplace/postgres/PostgresServer"
import * as Schemas from "@marketplace/postgres/Schemas"
import { databaseSchemas } from "../Databases.ts"
import { check, scopeOf } from "./Check.ts"
import * as Installation from "./Installation.ts"
import { invariants } from "./Invariants.ts"
import * as Stores from "./Stores.ts"

/** Reads everything and may change nothing. */
const role = "verifier"

/** The owner gives the rights; the check itself is the reader's. */
const layerReader = Layer.unwrap(Effect.gen(function*() {
  const { ownerUrl, passwordOf, urlOf } = yield* PostgresServer
  const prepare = Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const [found] = yield* sql<{ readonly there: boolean }>`select to_regclass('events.payment_log') is not null as there`
    if (found?.there !== true) {
      return yield* new Installation.CannotCheck({
        message: "The database has no marketplace in it, or one of an earlier version. Start it once: node marketplace.mjs start."
      })
    }
    yield* Schemas.prepareReader(role, databaseSchemas, passwordOf(role))
  })
  yield* Effect.provide(prepare, Database.layer({ url: ownerUrl, service: "owner", maxConnections: 1 }))
  return Database.layer({ url: urlOf(role), service: "verify", maxConnections: 1 })
}))

/** All of PostgreSQL is seen as it is at one moment; other stores, and how long they take, as they are shortly after. */
const snapshot = Effect.fnUntraced(function*(installation: Installation.Installation, since: number | Date | undefined) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`set transaction isolation level repeatable read, read only`
  yield* sql`set local statement_timeout = 0`
  yield* sql`set local idle_in_transaction_session_timeout = 0`
  const scope = yield* scopeOf(installation.runs, since)
  const sources = { log: yield* Stores.log(installation), catalogue: yield* Stores.catalogue(installation) }
  return { scope, ...(yield* check(invariants, scope, sources)) }
}, (effect) => SqlClient.SqlClient.use((sql) => sql.withTransaction(effect)))

/**
 * Checks the installation in `directory`. Changes nothing in it but that a role which may only read is there afterwards.
 *
 * @param since seconds back, or a time; undefined for everything
 */
export const verify = Effect.fn("Verify.verify")(function*(directory: string, since: number | Date | undefined) {
  const installation = yield* Installation.find(directory)
  return yield* snapshot(installation, since).pipe(
    Effect.provide(layerReader.pipe(Layer.provide(Installation.layerServer(directory))))
  )
})
