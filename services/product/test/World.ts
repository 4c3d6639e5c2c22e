import { Effect, Layer } from "effect"
import { SecureRandom } from "effect/crypto"
import { Outbox } from "@marketplace/events/Outbox"
import { Wakeups } from "@marketplace/events/Wakeups"
import * as Database from "@marketplace/postgres/Database"
import { PostgresServer } from "@marketplace/postgres/PostgresServer"
import * as TestDatabase from "@marketplace/testing/TestDatabase"
import { productSchema } from "../src/Database.ts"

/** The product service's own role on a fresh database, with its outbox. */
export const database = Outbox.layer("product").pipe(
  Layer.provideMerge(Layer.unwrap(Effect.map(PostgresServer, (server) =>
    Layer.fresh(Database.layer({ url: server.urlOf(productSchema.name), service: "product", maxConnections: 16 }))))),
  Layer.provide(TestDatabase.layer([productSchema])),
  Layer.provideMerge(Layer.merge(SecureRandom.layerWebCrypto, Wakeups.layer))
)

export const newId = SecureRandom.SecureRandom.use((random) => random.uuidV7())
