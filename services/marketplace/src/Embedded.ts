import { Effect, Layer } from "effect"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as Outbox from "@marketplace/events/Outbox"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as TransportPostgres from "@marketplace/events/TransportPostgres"
import * as Wakeups from "@marketplace/events/Wakeups"
import * as LocalUpstreams from "@marketplace/gateway/Upstreams/Local"
import * as Order from "@marketplace/order/Service"
import { orderSchema } from "@marketplace/order/Database"
import { paymentSchema } from "@marketplace/payment/Database"
import * as Payment from "@marketplace/payment/Service"
import { layerSimulator } from "@marketplace/payment/PaymentGateway/Simulator"
import * as Database from "@marketplace/postgres/Database"
import { PostgresServer } from "@marketplace/postgres/PostgresServer"
import { productSchema } from "@marketplace/product/Database"
import * as ProductRepositoryPostgres from "@marketplace/product/Products/RepositoryPostgres"
import * as Product from "@marketplace/product/Service"
import type { EventContext } from "@marketplace/schema/Topology"
import { Callers } from "@marketplace/service/Callers"
import { OrderClient, PaymentClient, ProductClient, UserClient } from "@marketplace/service/Clients"
import { Commands } from "@marketplace/service/Commands"
import { Cursor } from "@marketplace/service/Cursor"
import { Revocations } from "@marketplace/service/Revocations"
import { contracts, layerServerLocal } from "@marketplace/service/Rpc"
import { LocalRpc } from "@marketplace/service/Rpc/LocalRpc"
import { TokenSigner, TokenVerifier } from "@marketplace/service/Tokens"
import { userSchema } from "@marketplace/user/Database"
import * as User from "@marketplace/user/Service"
import * as SessionRepositoryPostgres from "@marketplace/user/Sessions/RepositoryPostgres"

/** A pool of a service's own role, and events through the log, for that service alone. */
export const ownDatabase = (service: EventContext | "simulator", role: string) =>
  Layer.unwrap(Effect.map(PostgresServer, (server) => Database.layer({ url: server.urlOf(role), service, maxConnections: 8 })))

const own = (service: EventContext, role: string) =>
  TransportPostgres.layerPostgres().pipe(Layer.provideMerge(ownDatabase(service, role)))

const user = Layer.mergeAll(
  LocalUpstreams.answer("user", User.routes),
  layerServerLocal(contracts.user).pipe(Layer.provide(User.Rpc)),
  User.work
).pipe(
  Layer.provideMerge(User.application),
  Layer.provide(SessionRepositoryPostgres.layer),
  Layer.provide(own("user", userSchema.name))
)

const product = Layer.mergeAll(
  LocalUpstreams.answer("product", Product.routes),
  layerServerLocal(contracts.product).pipe(Layer.provide(Product.Rpc)),
  Product.work
).pipe(
  Layer.provideMerge(Product.application),
  Layer.provide(ProductRepositoryPostgres.layer),
  Layer.provide(Outbox.Outbox.layer("product")),
  Layer.provide(OrderClient.layerLocal("product")),
  Layer.provide(own("product", productSchema.name))
)

const order = Layer.mergeAll(
  LocalUpstreams.answer("order", Order.routes),
  layerServerLocal(contracts.order).pipe(Layer.provide(Order.Rpc)),
  Order.work
).pipe(
  Layer.provide(Order.application),
  Layer.provide([ProductClient.layerLocal("order"), PaymentClient.layerLocal("order")]),
  Layer.provide(own("order", orderSchema.name))
)

const payment = Layer.mergeAll(
  LocalUpstreams.answer("payment", Payment.routes),
  layerServerLocal(contracts.payment).pipe(Layer.provide(Payment.Rpc)),
  Payment.work
).pipe(
  Layer.provide(Payment.application),
  Layer.provide([OrderClient.layerLocal("payment"), layerSimulator]),
  Layer.provide(own("payment", paymentSchema.name))
)

/** Who signs and verifies access tokens, once for the process. */
const callers = Callers.layer.pipe(
  Layer.provideMerge(Revocations.layerPolling),
  Layer.provide(UserClient.layerLocal("gateway")),
  Layer.provide(TokenVerifier.layerSigner),
  Layer.provideMerge(TokenSigner.layerConfig)
)

/**
 * The four services in this process, on one PostgreSQL server: they reach each other in memory through the same contracts as
 * over a network. Asks for the prepared server, for `Health`, and for the payment provider's address.
 */
export const services = Layer.mergeAll(user, product, order, payment).pipe(
  Layer.provideMerge(callers),
  Layer.provideMerge(LocalUpstreams.layer),
  Layer.provide(LocalUpstreams.LocalServices.layer),
  Layer.provide([LocalRpc.layer, Cursor.layerConfig, Commands.layer, Wakeups.Wakeups.layer, NodeCrypto.layerSecureRandom]),
  Layer.provide(NodeHttpServer.layerHttpServices)
)
