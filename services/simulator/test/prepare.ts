import { Effect } from "effect"
import * as Database from "@marketplace/postgres/Database"
import { PostgresServer } from "@marketplace/postgres/PostgresServer"
import * as Schemas from "@marketplace/postgres/Schemas"
import { simulatorSchema } from "../src/Database.ts"

// Prepares the simulator's schema in the database of `DATABASE_OWNER_URL`, for tests that run `main.ts` as a process and
// cannot import this package.
await Effect.runPromise(
  Effect.gen(function*() {
    const { ownerUrl, passwordOf } = yield* PostgresServer
    const owner = Database.layer({ url: ownerUrl, service: "owner", maxConnections: 1 })
    yield* Effect.provide(Schemas.prepare([simulatorSchema], passwordOf), owner)
  }).pipe(Effect.provide(PostgresServer.layerConfig))
)
