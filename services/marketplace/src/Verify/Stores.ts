import { ConfigProvider, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { layerKafka } from "@marketplace/events/TransportKafka"
import { Mongo } from "@marketplace/mongo/Mongo"
import { connect } from "node:net"
import * as Documents from "./Documents.ts"
import type { Installation } from "./Installation.ts"
import { ofEach } from "./Invariant.ts"
import { catalogueOf, logWith, type Missing, postgres, type Relation } from "./Sources.ts"
import * as Topics from "./Topics.ts"

/** A layer of the installation's servers, whatever others a caller has. */
const of = <A, E, R>({ servers }: Installation, layer: Layer.Layer<A, E, R>) =>
  Layer.fresh(layer).pipe(Layer.provide(ConfigProvider.layerAdd(ConfigProvider.fromEnv({ env: servers }))))

const missing = (what: string): Missing => ({
  missing: `${what} does not answer: start it (node marketplace.mjs start:full) and check again`
})

/** A URL may hold a password. */
const hostOf = (url = ""): string => /^[^:]+:\/\/(?:[^/?]*@)?([^/?]*)/.exec(url)?.[1] ?? url

const accepts = (host: string, port: number) =>
  Effect.callback<boolean>((resume) => {
    const socket = connect({ host, port, timeout: 3000 })
    const answer = (accepted: boolean) => {
      socket.destroy()
      resume(Effect.succeed(accepted))
    }
    socket.once("connect", () => answer(true)).once("timeout", () => answer(false)).once("error", () => answer(false))
  })

const answers = (url: string) =>
  Effect.promise((signal) =>
    fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(3000)]) }).then(({ status }) => status < 500, () => false)
  )

/** Asked before and after anything is read: a consumer waits for ever for who does not answer. */
const absent = Effect.fnUntraced(function*({ KAFKA_BROKERS = "", SCHEMA_REGISTRY_URL = "" }: Installation["servers"]) {
  const brokers = KAFKA_BROKERS.split(",").map((broker) => broker.trim().split(":"))
  const accepting = yield* Effect.forEach(brokers, ([host = "", port]) => accepts(host, Number(port)), {
    concurrency: "unbounded"
  })
  if (!accepting.includes(true)) return missing(`Kafka at ${KAFKA_BROKERS}`)
  const answering = yield* answers(`${SCHEMA_REGISTRY_URL.replace(/\/+$/, "")}/subjects`)
  return answering ? undefined : missing(`The schema registry at ${hostOf(SCHEMA_REGISTRY_URL)}`)
})

/** What is published and not in PostgreSQL's own log. */
const expected = Effect.fnUntraced(function*() {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly eventId: string }>`${sql.literal(ofEach((context) => `
    select event_id from ${context}_service.outbox o
    where published_at is not null and not exists (select from events.${context}_log l where l.event_id = o.event_id)`))}`
  return new Set(rows.map(({ eventId }) => eventId))
})

/** What the transport carries. An installation that ever had Kafka may have events there. */
export const log = Effect.fn("Stores.log")(function*(installation: Installation) {
  const { servers } = installation
  if (servers.KAFKA_BROKERS === undefined) return postgres.log
  const away = yield* absent(servers)
  if (away !== undefined) return away
  const carried = yield* Topics.read(yield* expected()).pipe(Effect.provide(of(installation, layerKafka)))
  return (yield* absent(servers)) ?? logWith(carried)
})

/** What the catalogue shows. */
export const catalogue = Effect.fn("Stores.catalogue")(function*(installation: Installation) {
  if (!installation.inDocuments) return postgres.catalogue
  const relation: Relation | Missing = yield* Documents.read.pipe(
    Effect.map(catalogueOf),
    Effect.provide(of(installation, Mongo.layerConfig)),
    Effect.catchTag("MongoUnavailable", () => Effect.succeed(missing(`MongoDB at ${hostOf(installation.servers.MONGODB_URL)}`)))
  )
  return relation
})
