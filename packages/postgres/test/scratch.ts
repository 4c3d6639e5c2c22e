import { Effect, Logger, Redacted } from "effect"
import { SecureRandom } from "effect/crypto"
import { PgClient } from "@effect/sql-pg"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { inject } from "vitest"
import { chmod, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { PostgresServer, withDatabase } from "../src/PostgresServer.ts"

/** A folder that is removed again with everything in it. `mkdtemp` closes it to other users; 0755 opens it. */
export const folder = (mode: number) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const path = await mkdtemp(join(tmpdir(), "embedded-"))
      await chmod(path, mode)
      return path
    }),
    (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
  )

/** An empty database on the server of the test run. */
export const database = Effect.gen(function*() {
  const random = yield* SecureRandom.SecureRandom
  const name = `test_${(yield* random.uuidV4()).replaceAll("-", "")}`
  const ownerUrl = Redacted.make(inject("postgresOwnerUrl"))
  const run = (statement: string) =>
    PgClient.PgClient.use((sql) => sql.unsafe(statement)).pipe(
      Effect.provide(PgClient.layer({ url: ownerUrl, maxConnections: 1 })),
      Effect.orDie
    )
  yield* Effect.acquireRelease(run(`create database ${name}`), () => run(`drop database ${name} with (force)`))
  return PostgresServer.at(withDatabase(ownerUrl, name), Redacted.make(inject("postgresRoleSecret")))
}).pipe(Effect.provide(NodeCrypto.layerSecureRandom))

/** The same database for somebody else. */
export const withLogin = (url: Redacted.Redacted<string>, username: string, password: string) => {
  const changed = new URL(Redacted.value(url))
  changed.username = username
  changed.password = password
  return Redacted.make(changed.href)
}

/** What `effect` logged, line by line. */
export const logged = <A, E, R>(effect: Effect.Effect<A, E, R>, lines: Array<string> = []) =>
  Effect.map(
    Effect.provide(effect, Logger.layer([Logger.make(({ message }) => lines.push(String(message)))])),
    (result) => ({ result, log: lines.join("\n") })
  )
