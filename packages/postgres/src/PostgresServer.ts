import { Config, Context, Effect, Layer, Redacted } from "effect"
import { PgClient } from "@effect/sql-pg"
import * as Embedded from "./Embedded.ts"
import * as RolePasswords from "./RolePasswords.ts"

const databaseName = "marketplace"

/** The same login on another database of the server. */
export const withDatabase = (url: Redacted.Redacted<string>, name: string): Redacted.Redacted<string> => {
  const changed = new URL(Redacted.value(url))
  changed.pathname = `/${name}`
  return Redacted.make(changed.href)
}

/** A database and its roles: where the owner prepares it, and where each service logs in. */
export class PostgresServer extends Context.Service<PostgresServer, {
  /** Logs in as the owner of the database, who may create schemas and roles. No service works with this one. */
  readonly ownerUrl: Redacted.Redacted<string>
  /** Logs in as a role. The role exists once it is prepared (`Schemas.prepare`). */
  readonly urlOf: (role: string) => Redacted.Redacted<string>
  /** The role's password, for `Schemas.prepare`. */
  readonly passwordOf: (role: string) => Redacted.Redacted<string>
}>()("@marketplace/postgres/PostgresServer") {
  /** A database that is there. All roles' passwords are derived from `roleSecret`. */
  static readonly at = (
    ownerUrl: Redacted.Redacted<string>,
    roleSecret: Redacted.Redacted<string>
  ): PostgresServer["Service"] => {
    const passwordOf = (role: string) => RolePasswords.derive(roleSecret, role)
    return PostgresServer.of({
      ownerUrl,
      passwordOf,
      urlOf: (role) => {
        const url = new URL(Redacted.value(ownerUrl))
        url.username = encodeURIComponent(role)
        url.password = Redacted.value(passwordOf(role))
        return Redacted.make(url.href)
      }
    })
  }

  /** The embedded server (`Embedded.start`) with the database `marketplace` on it, which is made on the first start. */
  static readonly layerEmbedded = (options: Embedded.Options) =>
    Layer.effect(PostgresServer, Effect.gen(function*() {
      const embedded = yield* Embedded.start(options)
      yield* Effect.gen(function*() {
        const sql = yield* PgClient.PgClient
        const found = yield* sql`select from pg_database where datname = ${databaseName}`
        if (found.length === 0) yield* sql`create database ${sql(databaseName)}`
      }).pipe(Effect.provide(PgClient.layer({ url: embedded.ownerUrl, maxConnections: 1 })))
      return PostgresServer.at(withDatabase(embedded.ownerUrl, databaseName), embedded.secret)
    }))

  /** `DATABASE_OWNER_URL`, with the database in it, and `DATABASE_ROLE_SECRET`, from which the roles' passwords are derived. */
  static readonly layerConfig = Layer.effect(PostgresServer, Effect.gen(function*() {
    return PostgresServer.at(yield* Config.Redacted("DATABASE_OWNER_URL"), yield* Config.Redacted("DATABASE_ROLE_SECRET"))
  }))
}
