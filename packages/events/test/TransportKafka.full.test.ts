import { ConfigProvider, Effect, Layer } from "effect"
import { SecureRandom } from "effect/crypto"
import { inject } from "vitest"
import { layerKafka } from "../src/TransportKafka.ts"
import { transportContract } from "./transportContract.ts"
import * as World from "./World.ts"
import type {} from "../../testing/src/setup/servers.ts"

/** Topics and groups of its own; the broker and the registry are shared. */
const installation = (prefix: string) =>
  ConfigProvider.layer(ConfigProvider.fromEnv({
    env: {
      KAFKA_BROKERS: inject("kafkaBrokers"),
      KAFKA_PREFIX: prefix,
      KAFKA_SESSION_TIMEOUT: "6 seconds",
      SCHEMA_REGISTRY_URL: inject("schemaRegistryUrl")
    }
  }))

transportContract("EventTransport on Kafka", {
  install: SecureRandom.SecureRandom.use((random) => random.uuidV4()).pipe(
    Effect.provide(SecureRandom.layerWebCrypto),
    Effect.map((id) => (service) =>
      layerKafka.pipe(Layer.provide(installation(`test-${id}.`)), Layer.provideMerge(World.connection(service))))
  )
})
