import { Config, ConfigProvider, Effect, Layer, Redacted } from "effect"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { PostgresServer } from "@marketplace/postgres/PostgresServer"
import * as Schemas from "@marketplace/postgres/Schemas"
import * as Telemetry from "@marketplace/telemetry/Telemetry"
import { databaseSchemas } from "./Databases.ts"
import type { Environment, ProcessName } from "./Full/Environment.ts"
import * as Seeding from "./Full/Seeding.ts"

/**
 * A job before the services start: brings the database at `DATABASE_OWNER_URL` to what they expect, roles and rights included
 * (`DATABASE_ROLE_SECRET`), and with `MARKETPLACE_SEED=true` puts demo members and goods into it and into `MONGODB_URL`.
 */
const job = Effect.gen(function*() {
  yield* Effect.logInfo(`the schemas are ready: ${databaseSchemas.map(({ name }) => name).join(", ")}`)
  if (!(yield* Config.Boolean("MARKETPLACE_SEED").pipe(Config.withDefault(false)))) return
  const { urlOf } = yield* PostgresServer
  const mongo = yield* Config.Redacted("MONGODB_URL")
  const environmentOf = (name: ProcessName): Environment => ({
    DATABASE_URL: Redacted.value(urlOf(`${name}_service`)),
    MONGODB_URL: Redacted.value(mongo)
  })
  yield* Seeding.seed(environmentOf)
  yield* Effect.logInfo("demo members and goods are there")
})

job.pipe(
  Effect.provide(Schemas.layer(databaseSchemas).pipe(
    Layer.provideMerge(PostgresServer.layerConfig),
    Layer.provideMerge([Telemetry.layerConfig("migrate"), NodeCrypto.layerSecureRandom, ConfigProvider.layer(ConfigProvider.fromEnv())])
  )),
  NodeRuntime.runMain
)
