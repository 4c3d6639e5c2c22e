import type { Vitest } from "@effect/vitest"
import { Config, ConfigProvider, Context, Effect, Exit, Layer, Redacted, References, Scope } from "effect"
import { SecureRandom } from "effect/crypto"
import { HttpClient, HttpServer } from "effect/http"
import { SqlClient } from "effect/sql"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Gateway from "@marketplace/gateway/Http"
import * as Database from "@marketplace/postgres/Database"
import { PostgresServer } from "@marketplace/postgres/PostgresServer"
import { Products } from "@marketplace/product/Products"
import { Reservations } from "@marketplace/product/Reservations"
import { StockRepository } from "@marketplace/product/Stock/Repository"
import { Commands } from "@marketplace/service/Commands"
import { Health } from "@marketplace/service/Health"
import * as Server from "@marketplace/service/Server"
import { generateKeys } from "@marketplace/service/Tokens/Keys"
import { SimulatorService } from "@marketplace/simulator/Service"
import * as TestDatabase from "@marketplace/testing/TestDatabase"
import * as Applications from "../../src/Applications.ts"
import { databaseSchemas } from "../../src/Databases.ts"
import type * as Embedded from "../../src/Embedded.ts"
import type * as Loopback from "../../src/Loopback.ts"
import { seedMembers } from "../../src/Seed.ts"
import { type Buyer, logIn, Place, provider } from "./Place.ts"

/** The services as a profile joins them. */
export type Services = typeof Embedded.services | typeof Loopback.services

const secret = "test_sk"

const settings = {
  CURSOR_KEY: "0123456789abcdef0123456789abcdef",
  PAYMENT_SIMULATOR_SECRET: secret,
  PAYMENT_SIMULATOR_DEADLINE: "3 seconds",
  ORDER_SWEEP_INTERVAL: "100 millis",
  PAYMENT_SWEEP_INTERVAL: "100 millis"
}

/** A marketplace behind a real gateway socket, on a database of its own, with a real payment provider over loopback. */
export class World extends Context.Service<World, {
  /** The provider's process is gone: connections are refused. */
  readonly stopProvider: Effect.Effect<void>
  /** It is there again, at the same address. */
  readonly startProvider: Effect.Effect<void>
  /** Of all schemas: for what a crash would have left, and for checks. */
  readonly sql: SqlClient.SqlClient
  /** The members of the seed, each logged in once. */
  readonly buyers: Readonly<Record<"minji" | "alex" | "seojun", Buyer>>
}>()("test/World") {}

const started = Effect.fnUntraced(function*(port: number, config: Layer.Layer<never>) {
  const scope = yield* Scope.make()
  const context = yield* Server.serve(SimulatorService, { service: "simulator", port: Config.succeed(port) }).pipe(
    Layer.provide(Applications.simulatorDatabase),
    Layer.provide([Layer.fresh(Commands.layer), Layer.fresh(Health.layer), config]),
    Layer.fresh,
    Layer.buildWithScope(scope)
  )
  return { scope, ...portOf(Context.get(context, HttpServer.HttpServer)) }
})

const portOf = ({ address }: HttpServer.HttpServer["Service"]) => {
  if (!("port" in address)) throw new Error("no TCP address")
  return { port: address.port, url: `http://127.0.0.1:${address.port}` }
}

const make = Effect.fnUntraced(function*(services: Services, own: Record<string, string>) {
  const { ownerUrl } = yield* PostgresServer
  const { privatePem } = yield* generateKeys
  const env = { ...settings, TOKEN_PRIVATE_KEY: Redacted.value(privatePem), ...own }
  const context = yield* Effect.context<PostgresServer | HttpClient.HttpClient | SecureRandom.SecureRandom>()

  const config = (more: Record<string, string>) => ConfigProvider.layer(ConfigProvider.fromEnv({ env: { ...env, ...more } }))
  const serve = (port: number) => Effect.provide(started(port, config({})), context)
  let simulator = yield* serve(0)
  const { port, url } = simulator
  const stopProvider = Effect.suspend(() => Scope.close(simulator.scope, Exit.void))
  yield* Effect.addFinalizer(() => stopProvider)

  const marketplace = yield* Layer.build(services.pipe(
    Layer.provide(Health.layer),
    Layer.provide(config({ PAYMENT_SIMULATOR_URL: url }))
  ))
  yield* Effect.provide(seedMembers, marketplace)
  const gateway = yield* Layer.build(
    Server.serve(Gateway.Http, { service: "gateway", port: Config.succeed(0) }).pipe(Layer.fresh, Layer.provide(Health.layer))
  ).pipe(Effect.provide(marketplace))
  const owner = yield* Layer.build(Layer.fresh(Database.layer({ url: ownerUrl, service: "test", maxConnections: 8 })))

  const { url: gatewayUrl } = portOf(Context.get(gateway, HttpServer.HttpServer))
  const world = World.of({
    stopProvider,
    startProvider: Effect.orDie(Effect.map(serve(port), (again) => {
      simulator = again
    })),
    sql: Context.get(owner, SqlClient.SqlClient),
    buyers: yield* Effect.all({
      minji: logIn(gatewayUrl, "minji@example.com"),
      alex: logIn(gatewayUrl, "alex@example.com"),
      seojun: logIn(gatewayUrl, "seojun@example.com")
    })
  })
  return Context.pick(Products, StockRepository, Reservations)(marketplace).pipe(
    Context.add(World, world),
    Context.add(Place, Place.of({ gatewayUrl, provider: yield* provider(url, secret) }))
  )
})

/** @param own settings that differ from those of the tests, which are impatient */
export const layer = (services: Services, own: Record<string, string> = {}) =>
  Layer.effectContext(make(services, own)).pipe(
    Layer.provide(TestDatabase.layer(databaseSchemas)),
    Layer.provideMerge([NodeCrypto.layerSecureRandom, NodeHttpClient.layerNodeHttp]),
    Layer.provide(Layer.succeed(References.MinimumLogLevel, "Fatal"))
  )

/** What tests in a world may use. */
export type Environment = Layer.Success<ReturnType<typeof layer>>

/** Where tests of a world are added. */
export type Tests = Vitest.MethodsNonLive<Environment>
