import { Effect, Layer } from "effect"
import * as Outbox from "@marketplace/events/Outbox"
import * as Retention from "@marketplace/events/Retention"
import * as TransportPostgres from "@marketplace/events/TransportPostgres"
import { orderSchema } from "@marketplace/order/Database"
import * as Order from "@marketplace/order/Service"
import { paymentSchema } from "@marketplace/payment/Database"
import { layerSimulator } from "@marketplace/payment/PaymentGateway/Simulator"
import * as Payment from "@marketplace/payment/Service"
import * as Database from "@marketplace/postgres/Database"
import { PostgresServer } from "@marketplace/postgres/PostgresServer"
import { productSchema } from "@marketplace/product/Database"
import * as ProductRepositoryPostgres from "@marketplace/product/Products/RepositoryPostgres"
import * as Product from "@marketplace/product/Service"
import { simulatorSchema } from "@marketplace/simulator/Database"
import { userSchema } from "@marketplace/user/Database"
import * as User from "@marketplace/user/Service"
import * as SessionRepositoryPostgres from "@marketplace/user/Sessions/RepositoryPostgres"

/** A pool of a service's own role. */
const database = (service: string, role: string) =>
  Layer.unwrap(Effect.map(PostgresServer, (server) => Database.layer({ url: server.urlOf(role), service, maxConnections: 8 })))

/** The same, with events through the log of that database. */
const databaseAndEvents = (service: string, role: string) =>
  TransportPostgres.layerPostgres().pipe(Layer.provideMerge(database(service, role)))

/**
 * The services on the stores of the embedded profile, each with its database and its background work. They still ask for
 * each other, for who calls them, and for `Wakeups`: how these are joined is the caller's choice.
 */
export const user = Layer.merge(User.work, Retention.layer("user", { log: true })).pipe(
  Layer.provideMerge(User.application),
  Layer.provide(SessionRepositoryPostgres.layer),
  Layer.provideMerge(databaseAndEvents("user", userSchema.name))
)

export const product = Layer.merge(Product.work, Retention.layer("product", { log: true })).pipe(
  Layer.provideMerge(Product.application),
  Layer.provide(ProductRepositoryPostgres.layer),
  Layer.provide(Outbox.Outbox.layer("product")),
  Layer.provideMerge(databaseAndEvents("product", productSchema.name))
)

export const order = Layer.merge(Order.work, Retention.layer("order", { log: true })).pipe(
  Layer.provideMerge(Order.application),
  Layer.provideMerge(databaseAndEvents("order", orderSchema.name))
)

export const payment = Layer.merge(Payment.work, Retention.layer("payment", { log: true })).pipe(
  Layer.provideMerge(Payment.application),
  Layer.provideMerge(layerSimulator),
  Layer.provideMerge(databaseAndEvents("payment", paymentSchema.name))
)

/** For the simulator in the same process. */
export const simulatorDatabase = database("simulator", simulatorSchema.name)
