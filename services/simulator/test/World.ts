import { Config, ConfigProvider, Effect, Layer, References } from "effect"
import { HttpClientRequest, HttpServer } from "effect/http"
import { HttpApiClient, HttpApiMiddleware } from "effect/http-api"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Database from "@marketplace/postgres/Database"
import { PostgresServer } from "@marketplace/postgres/PostgresServer"
import { Health } from "@marketplace/service/Health"
import * as Server from "@marketplace/service/Server"
import * as TestDatabase from "@marketplace/testing/TestDatabase"
import { MerchantOnly, SimulatorApi } from "../src/Api.ts"
import { simulatorSchema } from "../src/Database.ts"
import { SimulatorService } from "../src/Service.ts"

const secret = "test_sk"

const config = ConfigProvider.layer(ConfigProvider.fromEnv({
  env: { PAYMENT_SIMULATOR_SECRET: secret, PAYMENT_SIMULATOR_CONFIRMATION_WINDOW: "1 hour" }
}))

const database = Layer.unwrap(Effect.gen(function*() {
  const server = yield* PostgresServer
  return Database.layer({ url: server.urlOf(simulatorSchema.name), service: "simulator" })
})).pipe(Layer.provideMerge(TestDatabase.layer([simulatorSchema])))

/** A simulator on a port of its own, over the database of the world. */
export const simulator = Server.serve(SimulatorService, { service: "simulator", port: Config.succeed(0) }).pipe(
  Layer.provide([config, Health.layer])
)

/** One simulator with its database, and what its tests need. */
export const World = simulator.pipe(
  Layer.provideMerge(database),
  Layer.provideMerge([NodeCrypto.layerSecureRandom, NodeHttpClient.layerNodeHttp]),
  Layer.provide(Layer.succeed(References.MinimumLogLevel, "Warn"))
)

/** A typed client of the simulator in the context, with the merchant's secret or another. */
export const clientWith = (credential: string) =>
  Effect.flatMap(HttpServer.HttpServer, ({ address }) =>
    HttpApiClient.make(SimulatorApi, { baseUrl: HttpServer.formatAddress(address) }).pipe(
      Effect.provide(HttpApiMiddleware.layerClient(MerchantOnly, ({ next, request }) =>
        next(HttpClientRequest.basicAuth(request, credential, ""))))
    ))

export const client = clientWith(secret)
