import { Config, Effect, Exit, Option, Redacted, Scope } from "effect"
import { PgClient } from "@effect/sql-pg"
import * as Embedded from "@marketplace/postgres/Embedded"
import type { EmbeddedPostgresError } from "@marketplace/postgres/Embedded/EmbeddedPostgresError"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { TestProject } from "vitest/node"

declare module "vitest" {
  interface ProvidedContext {
    /** Superuser (or a role that may create databases and roles) on the maintenance database of the tests' server. */
    readonly postgresOwnerUrl: string
    /** Passwords of the roles on that server are derived from it; the same for every run, since the roles outlive one. */
    readonly postgresRoleSecret: string
  }
}

/** Not durable, hence fast: nobody misses a test's data. */
const settings = {
  fsync: "off",
  synchronous_commit: "off",
  full_page_writes: "off",
  max_connections: "300",
  shared_buffers: "128MB"
}

/**
 * The first of a few folders that no other run uses. A folder's data is made once and used again by later runs, whose
 * start also stops what a killed run left on it.
 */
const onFreeFolder = (n: number): Effect.Effect<Embedded.EmbeddedPostgres, EmbeddedPostgresError, Scope.Scope> =>
  Embedded.start({
    directory: join(tmpdir(), `marketplace-test-${process.getuid?.() ?? "postgres"}`, String(n)),
    port: 25432 + n,
    settings,
    restart: false
  }).pipe(Effect.catchIf((error) => error.reason === "InUse" && n < 20, () => onFreeFolder(n + 1)))

/** Databases of tests that were killed before they could drop them. */
const dropLeftOvers = (ownerUrl: Redacted.Redacted<string>) =>
  Effect.gen(function*() {
    const sql = yield* PgClient.PgClient
    const left = yield* sql<{ readonly datname: string }>`select datname from pg_database where datname like 'test\\_%'`
    yield* Effect.forEach(left, ({ datname }) => sql`drop database ${sql(datname)} with (force)`, { discard: true })
  }).pipe(Effect.provide(PgClient.layer({ url: ownerUrl, maxConnections: 1 })))

/**
 * One PostgreSQL server for all test files of this run: `TEST_DATABASE_URL`, the URL of an owner, if it is set, otherwise
 * an embedded one.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const scope = Scope.makeUnsafe()
  const start = Effect.gen(function*() {
    const given = yield* Config.option(Config.Redacted("TEST_DATABASE_URL"))
    // Other runs may use the same given server: their databases stay.
    if (Option.isSome(given)) return { ownerUrl: given.value, secret: given.value }
    const embedded = yield* onFreeFolder(0)
    yield* dropLeftOvers(embedded.ownerUrl)
    return embedded
  })
  const { ownerUrl, secret } = await Effect.runPromise(Scope.provide(start, scope))
  project.provide("postgresOwnerUrl", Redacted.value(ownerUrl))
  project.provide("postgresRoleSecret", Redacted.value(secret))
  return () => Effect.runPromise(Scope.close(scope, Exit.void))
}
