import { Effect, Redacted } from "effect"
import * as Database from "@marketplace/postgres/Database"
import { PostgresServer } from "@marketplace/postgres/PostgresServer"
import * as Schemas from "@marketplace/postgres/Schemas"
import { simulatorSchema } from "../src/Database.ts"

/**
 * The simulator as a process for tests, also of those who cannot import it: prepares its schema as the owner of
 * `DATABASE_OWNER_URL`, then runs `main.ts` as its own role.
 */
const roleUrl = Effect.gen(function*() {
  const { ownerUrl, passwordOf, urlOf } = yield* PostgresServer
  yield* Effect.provide(
    Schemas.prepare([simulatorSchema], passwordOf),
    Database.layer({ url: ownerUrl, service: "owner", maxConnections: 1 })
  )
  return Redacted.value(urlOf(simulatorSchema.name))
}).pipe(Effect.provide(PostgresServer.layerConfig))

process.env["DATABASE_URL"] = await Effect.runPromise(roleUrl)
await import("../src/main.ts")
