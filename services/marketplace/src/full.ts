import { Config, ConfigProvider, Console, Effect, Layer, Option } from "effect"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { PostgresServer } from "@marketplace/postgres/PostgresServer"
import * as Schemas from "@marketplace/postgres/Schemas"
import { Health } from "@marketplace/service/Health"
import * as Main from "@marketplace/service/Main"
import * as Server from "@marketplace/service/Server"
import * as OtlpReceiver from "@marketplace/telemetry/OtlpReceiver"
import * as Telemetry from "@marketplace/telemetry/Telemetry"
import { TraceStore } from "@marketplace/telemetry/TraceStore"
import { mkdirSync } from "node:fs"
import * as Servers from "../../../infra/local/Servers.ts"
import { databaseSchemas } from "./Databases.ts"
import * as PostgresRoute from "./Faults/PostgresRoute.ts"
import * as Environment from "./Full/Environment.ts"
import * as Processes from "./Full/Processes.ts"
import * as Seeding from "./Full/Seeding.ts"
import * as Running from "./Running.ts"
import * as Secrets from "./Secrets.ts"
import * as Welcome from "./Welcome.ts"

const directory = Config.String("MARKETPLACE_DATA").pipe(Config.withDefault(".data"))

/** PostgreSQL by `DATABASE_OWNER_URL`, or the embedded one. */
const postgres = Layer.unwrap(Effect.gen(function*() {
  const given = yield* Config.option(Config.Redacted("DATABASE_OWNER_URL"))
  const embedded = PostgresServer.layerEmbedded({ directory: `${yield* directory}/${Running.postgresFolder.full}`, settings: { max_connections: "200" } })
  return Option.isSome(given) ? Layer.orDie(PostgresServer.layerConfig) : embedded
}))

/**
 * One process per service, run from source or, with `MARKETPLACE_BUNDLES`, from the bundles that the images run; on Kafka,
 * Schema Registry, MongoDB, Redis and PostgreSQL, all on this machine.
 */
const marketplace = Effect.gen(function*() {
  const base = yield* directory
  const logs = `${base}/full/logs`
  yield* Effect.sync(() => mkdirSync(logs, { recursive: true }))
  const backing = yield* Effect.acquireRelease(
    Effect.tryPromise({
      try: () => Servers.start(Servers.names, { directory: `${base}/full/servers`, say: (line) => void process.stderr.write(`[marketplace] ${line}\n`) }),
      catch: (cause) => new Processes.ProcessFailed({ name: "servers", detail: cause instanceof Error ? cause.message : String(cause) })
    }),
    ({ stop }) => Effect.promise(stop)
  )
  const ports = yield* Environment.choosePorts(yield* Config.Port("PORT").pipe(Config.withDefault(8080)))
  const secrets = yield* Secrets.read(base)
  const server = yield* PostgresServer
  const environmentOf = yield* Environment.make({ ports, secrets, postgres: server, servers: backing.env })
  const logOf = (name: string) => `${logs}/${name}.log`

  yield* Layer.build(Server.serve(OtlpReceiver.layer, { service: "traces", port: Config.succeed(ports.traces), maxBodySize: 16 * 1024 * 1024 }))
  const bundles = yield* Config.option(Config.String("MARKETPLACE_BUNDLES"))
  const entryOf = (name: string) => Option.match(bundles, { onNone: () => ({}), onSome: (folder) => ({ entry: `${folder}/${name}/main.mjs` }) })
  yield* Effect.forEach(Environment.processNames, (name) =>
    Processes.start({ name, environment: environmentOf(name), logFile: logOf(name), ...entryOf(name) }))
  yield* Seeding.seed(environmentOf)
  yield* Effect.forEach(Environment.processNames, (name) => Processes.untilReady(name, ports.urlOf(name), logOf(name)), { concurrency: "unbounded" })

  const running = {
    profile: "full" as const,
    gatewayUrl: ports.urlOf("gateway"),
    simulatorUrl: ports.urlOf("simulator"),
    tracesUrl: `http://127.0.0.1:${ports.traces}/traces`,
    pid: process.pid
  }
  yield* Running.announce(base, running)
  yield* Welcome.say(running)
  yield* Console.log(`    logs           ${logs}\n`)
})

Layer.effectDiscard(marketplace).pipe(
  Layer.provide(Schemas.layer(databaseSchemas)),
  Layer.provide(PostgresRoute.layerConfig),
  Layer.provide(postgres),
  Layer.provide([TraceStore.layer, Health.layer, NodeServices.layer, NodeCrypto.layerSecureRandom]),
  Layer.provide(Telemetry.layerConfig("marketplace")),
  Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv())),
  Main.launch
)
