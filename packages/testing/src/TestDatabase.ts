import { Effect, Layer, Redacted } from "effect"
import { SecureRandom } from "effect/crypto"
import type { SqlError } from "effect/sql"
import { PgClient } from "@effect/sql-pg"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import type { MigrationError } from "@marketplace/postgres/Migrations"
import { PostgresServer, withDatabase } from "@marketplace/postgres/PostgresServer"
import * as Schemas from "@marketplace/postgres/Schemas"
import { inject } from "vitest"

/**
 * A database of its own for a suite, prepared with `schemas` and dropped afterwards, on the server of this test run. The
 * roles are shared with the other suites, their rights are not.
 */
export const layer = (
  schemas: ReadonlyArray<Schemas.DatabaseSchema>
): Layer.Layer<PostgresServer, MigrationError | SqlError.SqlError> => {
  const server = Layer.effect(PostgresServer, Effect.gen(function*() {
    const ownerUrl = Redacted.make(inject("postgresOwnerUrl"))
    const random = yield* SecureRandom.SecureRandom
    const name = `test_${(yield* random.uuidV4()).replaceAll("-", "")}`
    const run = (statement: string) =>
      PgClient.PgClient.use((sql) => sql.unsafe(statement)).pipe(
        Effect.provide(PgClient.layer({ url: ownerUrl, maxConnections: 1 }))
      )
    yield* Effect.acquireRelease(
      run(`create database ${name}`),
      () => Effect.orDie(run(`drop database ${name} with (force)`))
    )
    return PostgresServer.at(withDatabase(ownerUrl, name), Redacted.make(inject("postgresRoleSecret")))
  })).pipe(Layer.provide(NodeCrypto.layerSecureRandom))
  return Schemas.layer(schemas).pipe(Layer.provideMerge(server))
}
