import { Effect, Redacted } from "effect"
import type { PostgresServer } from "@marketplace/postgres/PostgresServer"
import { ServiceName } from "@marketplace/schema/Access"
import * as Server from "@marketplace/service/Server"
import { generateKeys } from "@marketplace/service/Tokens/Keys"
import * as Secrets from "../Secrets.ts"

/** A process of the full profile: one per service, and the payment provider's simulator. */
export const processNames = [...ServiceName.literals, "simulator"] as const
export type ProcessName = typeof processNames[number]

/** What a process reads, by the name of the variable. */
export type Environment = Readonly<Record<string, string>>

const host = "127.0.0.1"

/** The roles that the services log in with; the gateway has no database. */
const roles: Readonly<Partial<Record<ProcessName, string>>> = {
  user: "user_service",
  product: "product_service",
  order: "order_service",
  payment: "payment_service",
  simulator: "simulator"
}

/** Where each process will listen: the gateway on 8080 or the next free port, the others behind it. */
export const choosePorts = Effect.fn("Environment.choosePorts")(function*(first: number) {
  let next = first
  const ports = new Map<ProcessName, number>()
  for (const name of ["gateway", "simulator", "user", "product", "order", "payment"] as const) {
    const port = yield* Server.nextFreePort(host, next)
    ports.set(name, port)
    next = port + 1
  }
  const traces = yield* Server.nextFreePort(host, next)
  return { urlOf: (name: ProcessName) => `http://${host}:${ports.get(name)}`, portOf: (name: ProcessName) => ports.get(name) ?? 0, traces }
})

/** A key for each service to sign its calls with; `SERVICE_JWKS` lets the others believe it. */
const serviceKeys = Effect.gen(function*() {
  const pairs = yield* Effect.forEach(ServiceName.literals, (name) => Effect.map(generateKeys, (pair) => ({ name, ...pair })))
  return {
    privatePem: new Map<string, Redacted.Redacted>(pairs.map(({ name, privatePem }) => [name, privatePem])),
    jwks: JSON.stringify({ keys: pairs.map(({ name, publicJwk }) => ({ ...publicJwk, kid: name })) })
  }
})

export interface Choices {
  readonly ports: Effect.Success<ReturnType<typeof choosePorts>>
  readonly secrets: Secrets.Secrets
  readonly postgres: PostgresServer["Service"]
  /** Where Kafka, the registry, MongoDB and Redis are. */
  readonly servers: Environment
}

/** What this process was given, for the settings that it does not choose itself. */
const inherited: Environment = Object.fromEntries(Object.entries(process.env).flatMap(([name, value]) => value === undefined ? [] : [[name, value]]))

/** The environment of each process, as a deployment would set it. */
export const make = Effect.fn("Environment.make")(function*({ ports: { portOf, traces, urlOf }, postgres, secrets, servers }: Choices) {
  const keys = yield* serviceKeys
  const shared: Environment = {
    ...servers,
    USER_URL: urlOf("user"),
    PRODUCT_URL: urlOf("product"),
    ORDER_URL: urlOf("order"),
    PAYMENT_URL: urlOf("payment"),
    TOKEN_KEYS_URL: `${urlOf("user")}/.well-known/jwks.json`,
    PAYMENT_SIMULATOR_URL: inherited["PAYMENT_SIMULATOR_URL"] ?? urlOf("simulator"),
    SERVICE_JWKS: keys.jwks,
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://${host}:${traces}`,
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    OTEL_METRICS_EXPORTER: "none",
    OTEL_LOGS_EXPORTER: "none",
    OTEL_BSP_SCHEDULE_DELAY: "1000",
    LOG_FORMAT: "json"
  }
  return (name: ProcessName): Environment => {
    const role = roles[name]
    const pem = keys.privatePem.get(name)
    return {
      ...inherited,
      ...shared,
      ...Secrets.toEnvironment(secrets),
      PORT: String(portOf(name)),
      ...(role === undefined ? {} : { DATABASE_URL: Redacted.value(postgres.urlOf(role)) }),
      ...(pem === undefined ? {} : { SERVICE_PRIVATE_KEY: Redacted.value(pem) })
    }
  }
})
