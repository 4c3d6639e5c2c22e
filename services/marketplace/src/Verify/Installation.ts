import { Config, Context, Effect, FileSystem, Layer, Option, Path, Redacted, Schema } from "effect"
import * as Cluster from "@marketplace/postgres/Embedded/Cluster"
import * as Folder from "@marketplace/postgres/Embedded/Folder"
import { PostgresServer, withDatabase } from "@marketplace/postgres/PostgresServer"
import * as Servers from "../../../../infra/local/Servers.ts"
import * as Running from "../Running.ts"

/** Nothing can be said about the marketplace; `message` tells why and what to do. */
export class CannotCheck extends Schema.TaggedError<CannotCheck>()("CannotCheck", { message: Schema.String }) {}

/** A marketplace on this machine, running or not, or one whose servers are given. */
export interface Installation {
  readonly runs: boolean
  /** The catalogue is in MongoDB. */
  readonly inDocuments: boolean
  /** What its services read to find Kafka, the registry and MongoDB; empty where there never was any. */
  readonly servers: Readonly<Record<string, string>>
}

const fullServers = ["kafka", "registry", "mongo"] as const

/** Looks at what is there; starts nothing. */
export const find = Effect.fn("Installation.find")(function*(directory: string) {
  const path = yield* Path.Path
  const running = Option.getOrUndefined(yield* Running.find(directory))
  const known = Servers.known(fullServers, path.join(directory, "full", "servers"))
    .map(({ url, variable }) => [variable, url] as const)
  const given = yield* Effect.forEach(["KAFKA_BROKERS", "SCHEMA_REGISTRY_URL", "MONGODB_URL"], (variable) =>
    Effect.map(Config.option(Config.String(variable)), Option.map((url) => [variable, url] as const)))
  const files = yield* FileSystem.FileSystem
  const hasEmbedded = yield* files.exists(path.join(directory, Running.postgresFolder.embedded))
  const servers = Object.fromEntries([...known, ...given.flatMap(Option.toArray)])
  const installation: Installation = {
    runs: running !== undefined,
    inDocuments: (running?.profile ?? (hasEmbedded || servers.MONGODB_URL === undefined ? "embedded" : "full")) === "full",
    servers
  }
  return installation
})

/** The embedded server that another process has started. */
const attached = Effect.fn("Installation.attached")(function*(directory: string) {
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const folder = yield* Folder.open(directory)
  const secret = Redacted.make(yield* files.readFileString(path.join(folder.path, "password")))
  const [, port] = (yield* files.readFileString(path.join(folder.path, "port"))).split(" ")
  const maintenance = Redacted.make(`postgres://${Cluster.owner}:${Redacted.value(secret)}@127.0.0.1:${port}/postgres`)
  return PostgresServer.at(withDatabase(maintenance, "marketplace"), secret)
})

const built = <E, R>(layer: Layer.Layer<PostgresServer, E, R>) =>
  Effect.map(Layer.build(layer), (context) => Context.get(context, PostgresServer))

/**
 * The installation's PostgreSQL: by `DATABASE_OWNER_URL`, or the embedded one, which is started for the time of the check
 * unless it runs already.
 */
export const layerServer = (directory: string) =>
  Layer.effect(PostgresServer, Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const given = yield* Config.option(Config.Redacted("DATABASE_OWNER_URL"))
    if (Option.isSome(given)) return yield* built(PostgresServer.layerConfig)
    const { inDocuments } = yield* find(directory)
    const folder = path.join(directory, Running.postgresFolder[inDocuments ? "full" : "embedded"])
    if (!(yield* files.exists(folder))) {
      return yield* new CannotCheck({
        message: `There is no marketplace in ${directory}. Start one (node marketplace.mjs start), or say where it is with ` +
          "MARKETPLACE_DATA or with DATABASE_OWNER_URL and DATABASE_ROLE_SECRET."
      })
    }
    return yield* built(PostgresServer.layerEmbedded({ directory: folder })).pipe(
      Effect.catchIf((error) => error._tag === "EmbeddedPostgresError" && error.reason === "InUse", () => attached(folder))
    )
  }))
