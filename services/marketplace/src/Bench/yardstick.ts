import { Config, ConfigProvider, Console, Effect, Latch, Layer, Schedule, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { HttpApi, HttpApiBuilder, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { SqlClient } from "effect/sql"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { ProductStockChanged } from "@marketplace/domain/Product/Events"
import { ProductId, VariantId } from "@marketplace/domain/Product/Ids"
import * as Consumer from "@marketplace/events/Consumer"
import * as Outbox from "@marketplace/events/Outbox"
import * as Relay from "@marketplace/events/Relay"
import * as TransportPostgres from "@marketplace/events/TransportPostgres"
import * as Wakeups from "@marketplace/events/Wakeups"
import * as Database from "@marketplace/postgres/Database"
import { PostgresServer } from "@marketplace/postgres/PostgresServer"
import * as Schemas from "@marketplace/postgres/Schemas"
import { Health } from "@marketplace/service/Health"
import * as Main from "@marketplace/service/Main"
import * as Server from "@marketplace/service/Server"
import { databaseSchemas } from "../Databases.ts"
import { quantile } from "./Load.ts"
import { usage } from "./ProcessTree.ts"

/** What is measured against: run as a process of its own, `yardstick.ts y1 | y2 <count> | events <count>`. */
const [mode, given] = process.argv.slice(2)
const count = Number(given)

const constant = Schema.Struct({ text: Schema.String, numbers: Schema.Array(Schema.Int) })
const kilobyte = { text: "x".repeat(900), numbers: Array.from({ length: 20 }, (_, n) => 1000 + n) }

class ConstantApi extends HttpApi.make("constant").add(
  HttpApiGroup.make("constant").add(HttpApiEndpoint.get("get", "/", { success: constant }))
) {}

/** Y1: an HttpApi endpoint with a constant answer of 1 KB, under the settings of our servers. */
const y1 = Server.serve(
  HttpApiBuilder.layer(ConstantApi).pipe(
    Layer.provide(HttpApiBuilder.group(ConstantApi, "constant", (handlers) => handlers.handle("get", () => Effect.succeed(kilobyte))))
  ),
  { service: "y1", port: Config.Port("PORT") }
).pipe(Layer.provide(Health.layer))

/** CPU milliseconds of this process and its PostgreSQL server for each of `operations`. */
const perOperation = Effect.fnUntraced(function*<E, R>(operations: number, work: Effect.Effect<unknown, E, R>) {
  const before = yield* usage(process.pid)
  yield* work
  const after = yield* usage(process.pid)
  return (after.cpu - before.cpu) / operations
})

const ofService = (service: string) =>
  Layer.unwrap(Effect.map(PostgresServer, (server) => Layer.fresh(Database.layer({ url: server.urlOf(`${service}_service`), service, maxConnections: 8 }))))

const report = (result: Readonly<Record<string, number>>) => Console.log(JSON.stringify(result))

/** Y2: a transaction of three statements, at eight connections. */
const y2 = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const transaction = (n: number) =>
    sql.withTransaction(Effect.gen(function*() {
      yield* sql`select purchases from member where id = ${member(n)} for update`
      yield* sql`update member set purchases = purchases + 1 where id = ${member(n)}`
      yield* sql`insert into session (id, member_id, created_at, expires_at) values (gen_random_uuid(), ${member(n)}, now(), now())`
    }))
  yield* sql`insert into member (id, email, name, status, password_hash, sequence)
    select ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, n || '@example.com', 'name', 'ACTIVE', '', 0
    from generate_series(0, 999) n on conflict do nothing`
  const all = (times: number) => Effect.forEach(Array.from({ length: times }, (_, n) => n), transaction, { concurrency: 8, discard: true })
  yield* all(500)
  yield* report({ cpu: yield* perOperation(count, all(count)) })
}).pipe(Effect.provide(ofService("user")))

const member = (n: number) => `00000000-0000-7000-8000-${String(n % 1000).padStart(12, "0")}`

/**
 * W5: events from the outbox to the log, and from the log to a consumer whose effect is one statement; then their age when they
 * have this effect, while a hundred a second come.
 */
const events = Effect.gen(function*() {
  const random = yield* SecureRandom.SecureRandom
  const tell = Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const outbox = yield* Outbox.Outbox
    const variantId = VariantId.make(yield* random.uuidV7())
    const productId = ProductId.make(yield* random.uuidV7())
    yield* sql.withTransaction(outbox.append({ after: 0, events: [ProductStockChanged.make({ variantId, productId, available: 1, sold: 0 })] }))
  })
  const stored = Effect.forEach(Array.from({ length: count }), () => tell, { concurrency: 8, discard: true })
  const drained = Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    while ((yield* sql`select from outbox where published_at is null limit 1`).length > 0) yield* Effect.sleep("50 millis")
  })
  const transport = TransportPostgres.layerPostgres()
  const publisher = Outbox.Outbox.layer("product").pipe(Layer.provideMerge(transport), Layer.provideMerge(ofService("product")))

  const relay = yield* Effect.andThen(
    stored,
    perOperation(count, Effect.provide(drained, Relay.layer("product")))
  ).pipe(Effect.provide(publisher))

  const done = yield* Latch.make()
  let seen = 0
  const ages: Array<number> = []
  const consumer = Consumer.layer("product", Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    return {
      OrderStatusChanged: () => Effect.void,
      ProductStockChanged: ({ productId }, { occurredAt }) =>
        sql`insert into stock (variant_id, product_id, on_hand) values (gen_random_uuid(), ${productId}, 1)`.pipe(
          Effect.andThen(sql.afterCommit(Effect.clockWith((clock) => {
            ages.push(clock.currentTimeMillisUnsafe() - occurredAt)
            return ++seen >= count ? done.open : Effect.void
          })))
        )
    }
  }))
  const effect = yield* perOperation(count, Effect.provide(done.await, consumer)).pipe(Effect.provide(publisher))

  const paced = Effect.fnUntraced(function*(expected: number) {
    ages.length = 0
    yield* Effect.repeat(tell, { schedule: Schedule.fixed("10 millis"), times: expected - 1 })
    while (ages.length < expected) yield* Effect.sleep("50 millis")
  })
  // The first ones wait for relay and consumer to start.
  const both = Effect.andThen(paced(100), paced(Math.min(count, 2000)))
  yield* Effect.provide(both, Layer.mergeAll(Relay.layer("product"), consumer).pipe(Layer.provideMerge(publisher)))
  ages.sort((a, b) => a - b)
  yield* report({ relay, effect, ageP50: quantile(ages, 0.5), ageP99: quantile(ages, 0.99) })
})

const onPostgres = <E, R>(work: Effect.Effect<void, E, R>) =>
  Layer.effectDiscard(Effect.andThen(work, Effect.interrupt)).pipe(
    Layer.provide(Schemas.layer(databaseSchemas)),
    Layer.provide(Layer.unwrap(Effect.map(Config.String("MARKETPLACE_DATA"), (directory) => PostgresServer.layerEmbedded({ directory })))),
    Layer.provideMerge(Layer.mergeAll(Wakeups.Wakeups.layer, Health.layer, NodeCrypto.layerSecureRandom)),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv()))
  )

switch (mode) {
  case "y1":
    Main.launch(y1)
    break
  case "y2":
    Main.launch(onPostgres(y2))
    break
  case "events":
    Main.launch(onPostgres(events))
    break
}

