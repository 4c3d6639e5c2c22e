import { Config, ConfigProvider, Effect, Layer } from "effect"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Gateway from "@marketplace/gateway/Service"
import { PostgresServer } from "@marketplace/postgres/PostgresServer"
import * as Schemas from "@marketplace/postgres/Schemas"
import { Commands } from "@marketplace/service/Commands"
import { Health } from "@marketplace/service/Health"
import * as Main from "@marketplace/service/Main"
import * as Server from "@marketplace/service/Server"
import { SimulatorService } from "@marketplace/simulator/Service"
import * as Prometheus from "@marketplace/telemetry/Prometheus"
import * as Telemetry from "@marketplace/telemetry/Telemetry"
import * as TraceStore from "@marketplace/telemetry/TraceStore"
import * as Applications from "./Applications.ts"
import { databaseSchemas } from "./Databases.ts"
import * as Embedded from "./Embedded.ts"
import * as PostgresRoute from "./Faults/PostgresRoute.ts"
import * as Loopback from "./Loopback.ts"
import * as Running from "./Running.ts"
import * as Secrets from "./Secrets.ts"
import { seed } from "./Seed.ts"
import { traceRoutes } from "./Traces.ts"
import * as Welcome from "./Welcome.ts"

const host = "127.0.0.1"

/** Everything of the embedded profile: one process, one PostgreSQL server, data in `MARKETPLACE_DATA` (.data). */
const marketplace = Layer.unwrap(Effect.gen(function*() {
  const directory = yield* Config.String("MARKETPLACE_DATA").pipe(Config.withDefault(".data"))
  const gatewayPort = yield* Server.nextFreePort(host, yield* Config.Port("PORT").pipe(Config.withDefault(8080)))
  const simulatorPort = yield* Server.nextFreePort(host, Math.max(gatewayPort + 1, 8090))
  const gatewayUrl = `http://${host}:${gatewayPort}`
  const simulatorUrl = `http://${host}:${simulatorPort}`
  const secrets = yield* Secrets.read(directory)
  const settings = { ...Secrets.toEnvironment(secrets), PAYMENT_SIMULATOR_URL: simulatorUrl, ...process.env }
  const running = { profile: "embedded" as const, gatewayUrl, simulatorUrl, tracesUrl: `${gatewayUrl}/dev/traces`, pid: process.pid }

  const simulator = Server.serve(SimulatorService, { service: "simulator", port: Config.succeed(simulatorPort) }).pipe(
    Layer.provide(Applications.simulatorDatabase)
  )
  const gateway = Gateway.serve({ port: Config.succeed(gatewayPort) }, Layer.merge(traceRoutes, Prometheus.layer))
  const ready = Layer.effectDiscard(Effect.gen(function*() {
    yield* Running.announce(directory, running)
    yield* Welcome.say(running)
  }))

  const loopback = yield* Config.Boolean("MARKETPLACE_LOOPBACK").pipe(Config.withDefault(false))
  const services = loopback ? Loopback.services : Embedded.services

  return ready.pipe(
    Layer.provide(gateway),
    Layer.provide(Layer.effectDiscard(seed)),
    Layer.provide(services),
    Layer.provide(simulator),
    Layer.provide(Schemas.layer(databaseSchemas)),
    Layer.provide([Commands.layer, Health.layer, NodeCrypto.layerSecureRandom]),
    Layer.provide(PostgresRoute.layerConfig),
    Layer.provide(PostgresServer.layerEmbedded({ directory: `${directory}/${Running.postgresFolder.embedded}` })),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: settings })))
  )
}))

marketplace.pipe(
  Layer.provide([NodeServices.layer, NodeCrypto.layerSecureRandom]),
  Layer.provide(TraceStore.layerTracer("marketplace").pipe(
    Layer.provideMerge([TraceStore.TraceStore.layer, Telemetry.layerConfig("marketplace")])
  )),
  Main.launch
)
