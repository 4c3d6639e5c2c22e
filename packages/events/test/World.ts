import { Context, DateTime, Duration, Effect, Exit, Layer, Redacted, References, Scope } from "effect"
import { SecureRandom } from "effect/crypto"
import { SqlClient } from "effect/sql"
import { PgClient } from "@effect/sql-pg"
import { OrderCreated, OrderStatusChanged } from "@marketplace/domain/Order/Events"
import { Money } from "@marketplace/domain/Money"
import { OrderId } from "@marketplace/domain/Order/Ids"
import { PaymentCompleted, RefundCompleted } from "@marketplace/domain/Payment/Events"
import { PaymentId, RefundId } from "@marketplace/domain/Payment/Ids"
import { ProductStockChanged } from "@marketplace/domain/Product/Events"
import { ProductId, VariantId } from "@marketplace/domain/Product/Ids"
import { MemberId } from "@marketplace/domain/User/Ids"
import * as Database from "@marketplace/postgres/Database"
import { PostgresServer, withDatabase } from "@marketplace/postgres/PostgresServer"
import type { DatabaseSchema } from "@marketplace/postgres/Schemas"
import type { EventContext, MarketplaceEvent } from "@marketplace/schema/Topology"
import { inspect } from "node:util"
import { inject } from "vitest"
import * as TestDatabase from "../../testing/src/TestDatabase.ts"
import * as Codecs from "../src/Codecs.ts"
import type { About } from "../src/Consumer.ts"
import type { Envelope } from "../src/Envelope.ts"
import * as Outbox from "../src/Outbox.ts"
import { eventsSchema } from "../src/TransportPostgres.ts"

const contexts: ReadonlyArray<EventContext> = ["user", "product", "order", "payment"]

/** Processes of a test do not wake each other. */
export const poll = Duration.millis(50)

/** What a service of the tests keeps: an aggregate that only counts its events, and what it was told. */
const tables = {
  id: "0001_test",
  sql: `
    create table aggregate (id uuid primary key, sequence int not null);
    create table effect (
      position bigint generated always as identity primary key,
      event_id uuid not null, stream_key text not null, sequence int not null, type text not null
    );`
}

const schemas: ReadonlyArray<DatabaseSchema> = [
  ...contexts.map((context) => ({ name: `${context}_service`, migrations: [Outbox.migration, tables, Outbox.publishedIndex] })),
  eventsSchema
]

/** A database with the schemas of all services, made once for a suite. Nobody works in it: each test has a copy. */
export class Template extends Context.Service<Template, PostgresServer["Service"]>()("test/Template") {
  static readonly layer = Layer.effect(Template, PostgresServer).pipe(Layer.provide(TestDatabase.layer(schemas)))
}

const database = Layer.effect(PostgresServer, Effect.gen(function*() {
  const { ownerUrl } = yield* Template
  const template = new URL(Redacted.value(ownerUrl)).pathname.slice(1)
  const name = `test_${(yield* SecureRandom.SecureRandom.use((random) => random.uuidV4())).replaceAll("-", "")}`
  const run = (statement: string) =>
    PgClient.PgClient.use((sql) => sql.unsafe(statement)).pipe(
      Effect.provide(PgClient.layer({ url: Redacted.make(inject("postgresOwnerUrl")), maxConnections: 1 }))
    )
  yield* Effect.acquireRelease(
    run(`create database ${name} template ${template}`),
    () => Effect.orDie(run(`drop database ${name} with (force)`))
  )
  return PostgresServer.at(withDatabase(ownerUrl, name), Redacted.make(inject("postgresRoleSecret")))
}))

/** What a test works in. */
export type Environment = PostgresServer | SecureRandom.SecureRandom | Scope.Scope

/** One test, with a database of its own. Quiet: failures are what the tests are about. */
export const isolated = <A, E, R>(body: Effect.Effect<A, E, R>) =>
  Effect.scoped(body).pipe(
    Effect.provide(database.pipe(Layer.provideMerge(SecureRandom.layerWebCrypto))),
    Effect.provideService(References.MinimumLogLevel, "None")
  )

/** A process of a service as far as it has a pool of its own, with the rights of the service's role. */
export const connection = (service: EventContext) =>
  Layer.unwrap(Effect.map(PostgresServer, (server) =>
    Layer.fresh(Database.layer({ url: server.urlOf(`${service}_service`), service, maxConnections: 10 })))).pipe(
    Layer.provideMerge(SecureRandom.layerWebCrypto)
  )

/** As the owner, who may look at everything. */
export const asOwner = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(PostgresServer, ({ ownerUrl }) =>
    Effect.provide(effect, Layer.fresh(Database.layer({ url: ownerUrl, service: "test", maxConnections: 1 }))))

/** A statement of the owner. */
export const ask = <A extends object = object>(statement: string) =>
  asOwner(SqlClient.SqlClient.use((sql) => sql.unsafe<A>(statement)))

/** A statement with the rights of the service in whose process it runs. */
export const query = <A extends object = object>(statement: string) => SqlClient.SqlClient.use((sql) => sql.unsafe<A>(statement))

/** Ends all sessions of a service's role on this database, as an administrator would. Returns how many there were. */
export const terminate = (service: EventContext) =>
  Effect.map(
    ask<{ n: number }>(`select count(pg_terminate_backend(pid))::int as n from pg_stat_activity
      where usename = '${service}_service' and datname = current_database()`),
    ([row]) => row?.n ?? 0
  )

/** Returns when a session on this database waits for a lock. */
export const somebodyWaits = Effect.suspend(() =>
  eventually(
    ask<{ n: number }>(`select count(*)::int as n from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`),
    ([row]) => row?.n === 1
  ))

/** Starts what a process runs. It ends with the test, if it is not stopped before. */
export const start = Effect.fnUntraced(function*<A, E, R>(layer: Layer.Layer<A, E, R>) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const context = yield* Layer.buildWithScope(Layer.fresh(layer), scope)
  return {
    run: <B, F, S>(effect: Effect.Effect<B, F, S>) => Effect.provide(effect, context).pipe(Scope.provide(scope)),
    stop: Scope.close(scope, Exit.void)
  }
})

/** What handlers of a service have noted with `note`, in the order of their commits as far as a stream goes. */
export const effects = (service: EventContext) =>
  ask<{ eventId: string; streamKey: string; sequence: number; type: string }>(
    `select event_id, stream_key, sequence, type from ${service}_service.effect order by position`
  )

/** An effect to be seen by `effects`, in the transaction of the consumer. */
export const note = (type: string, { eventId, sequence, streamKey }: About) =>
  SqlClient.SqlClient.use((sql) => sql`insert into effect ${sql.insert({ eventId, streamKey, sequence, type })}`)

export const newId = Effect.flatMap(SecureRandom.SecureRandom, (random) => random.uuidV7())

/** An event that nobody consumes. */
export const orderCreated = (orderId: string) =>
  Effect.map(DateTime.now, (paymentDeadline) =>
    OrderCreated.make({
      orderId: OrderId.make(orderId),
      memberId: MemberId.make("01890a5d-ac96-774b-bcce-b302099a8057"),
      total: { amount: 1000, currency: "KRW" },
      sellerOrders: [],
      paymentDeadline
    }))

export const statusChanged = (orderId: string, to = "PAID") =>
  OrderStatusChanged.make({
    orderId: OrderId.make(orderId),
    memberId: MemberId.make("01890a5d-ac96-774b-bcce-b302099a8057"),
    scope: "order",
    sellerOrderId: null,
    from: "AWAITING_PAYMENT",
    to,
    cause: "pay"
  })

export const stockChanged = (variantId: string, available: number) =>
  ProductStockChanged.make({
    productId: ProductId.make("01890a5d-ac96-774b-bcce-b302099a8058"),
    variantId: VariantId.make(variantId),
    available,
    sold: 1
  })

const payment = {
  paymentId: PaymentId.make("01890a5d-ac96-774b-bcce-b302099a8059"),
  amount: new Money({ amount: 1000, currency: "KRW" })
}
export const paymentCompleted = (orderId: string) => PaymentCompleted.make({ ...payment, orderId: OrderId.make(orderId) })
export const refundCompleted = (orderId: string) =>
  RefundCompleted.make({
    ...payment,
    orderId: OrderId.make(orderId),
    refundId: RefundId.make("01890a5d-ac96-774b-bcce-b302099a805a"),
    reason: "late"
  })

/** An event on its way, as the relay hands it to the transport. */
export const envelope = Effect.fnUntraced(function*(event: MarketplaceEvent, sequence: number, rest: Partial<Envelope> = {}) {
  const now = yield* DateTime.now
  const made: Envelope = {
    ...(yield* Codecs.encode(event)),
    id: yield* newId,
    sequence,
    occurredAt: DateTime.toEpochMillis(now),
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    causeId: null,
    ...rest
  }
  return made
})

/** Looks until it is so; a bounded wait for what other fibers and the server do. */
export const eventually = <A, E, R>(
  look: Effect.Effect<A, E, R>,
  holds: (found: A) => boolean,
  within: Duration.Input = "15 seconds"
) =>
  Effect.gen(function*() {
    let found = yield* look
    while (!holds(found)) {
      yield* Effect.sleep("10 millis")
      found = yield* look
    }
    return found
  }).pipe(Effect.timeoutOrElse({
    duration: within,
    orElse: () => Effect.flatMap(look, (found) => Effect.die(new Error(`still ${inspect(found)}`)))
  }))
