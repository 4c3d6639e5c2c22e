import { Config, Duration, Effect, Option, Redacted } from "effect"
import type { KafkaConfig, SASLOptions } from "kafkajs"

/** Of every topic, fixed when it is made: the order of a stream's events goes by it. */
export const partitions = 6

const mechanisms = ["plain", "scram-sha-256", "scram-sha-512"] as const

const sasl = Config.all({
  mechanism: Config.Literals(mechanisms, "KAFKA_SASL_MECHANISM"),
  username: Config.String("KAFKA_SASL_USERNAME"),
  password: Config.Redacted("KAFKA_SASL_PASSWORD")
})

/**
 * `KAFKA_BROKERS` (`host:port`, separated by commas) and, where the defaults do not fit:
 * `KAFKA_TLS`, with `KAFKA_SASL_MECHANISM`, `KAFKA_SASL_USERNAME`, `KAFKA_SASL_PASSWORD`; `KAFKA_PREFIX` of topics and
 * groups, for several installations on one cluster; for topics that are made: `KAFKA_REPLICATION_FACTOR` (the broker's
 * default) and `KAFKA_RETENTION` (30 days), which must exceed the longest outage of a consumer; `KAFKA_SESSION_TIMEOUT`
 * (10 seconds), after which the partitions of an instance that is not heard of go to others.
 */
export const settings = Effect.gen(function*() {
  const authentication = yield* Config.option(sasl)
  return {
    brokers: (yield* Config.String("KAFKA_BROKERS")).split(",").map((broker) => broker.trim()).filter((broker) => broker !== ""),
    tls: yield* Config.Boolean("KAFKA_TLS").pipe(Config.withDefault(false)),
    sasl: Option.getOrUndefined(authentication),
    prefix: yield* Config.String("KAFKA_PREFIX").pipe(Config.withDefault("")),
    replicationFactor: yield* Config.Int("KAFKA_REPLICATION_FACTOR").pipe(Config.withDefault(-1)),
    retention: yield* Config.Duration("KAFKA_RETENTION").pipe(Config.withDefault(Duration.days(30))),
    sessionTimeout: yield* Config.Duration("KAFKA_SESSION_TIMEOUT").pipe(Config.withDefault(Duration.seconds(10)))
  }
})

export type Settings = Effect.Success<typeof settings>

const saslOptions = ({ mechanism, password, username }: Config.Success<typeof sasl>): SASLOptions => {
  const credentials = { username, password: Redacted.value(password) }
  // One type for each mechanism: a mechanism that is one of several fits none of them.
  switch (mechanism) {
    case "plain":
      return { mechanism, ...credentials }
    case "scram-sha-256":
      return { mechanism, ...credentials }
    case "scram-sha-512":
      return { mechanism, ...credentials }
  }
}

export const connection = ({ brokers, sasl, tls }: Settings): KafkaConfig => ({
  brokers,
  clientId: "marketplace",
  ssl: tls,
  ...(sasl === undefined ? {} : { sasl: saslOptions(sasl) }),
  connectionTimeout: 5000,
  requestTimeout: 15_000,
  // It gives up soon: whoever asked waits and asks again, and says so.
  retry: { initialRetryTime: 100, retries: 3, maxRetryTime: 1000 }
})
