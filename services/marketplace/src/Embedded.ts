import { Layer } from "effect"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Wakeups from "@marketplace/events/Wakeups"
import * as LocalUpstreams from "@marketplace/gateway/Upstreams/Local"
import * as Order from "@marketplace/order/Service"
import * as Payment from "@marketplace/payment/Service"
import * as Product from "@marketplace/product/Service"
import { Callers } from "@marketplace/service/Callers"
import { OrderClient, PaymentClient, ProductClient, UserClient } from "@marketplace/service/Clients"
import { Commands } from "@marketplace/service/Commands"
import { Cursor } from "@marketplace/service/Cursor"
import { Revocations } from "@marketplace/service/Revocations"
import { contracts, layerServerLocal } from "@marketplace/service/Rpc"
import { LocalRpc } from "@marketplace/service/Rpc/LocalRpc"
import { TokenSigner, TokenVerifier } from "@marketplace/service/Tokens"
import * as Telemetry from "@marketplace/telemetry/Telemetry"
import * as User from "@marketplace/user/Service"
import * as Applications from "./Applications.ts"

const user = Layer.merge(
  LocalUpstreams.answer("user", User.routes),
  layerServerLocal(contracts.user).pipe(Layer.provide(User.Rpc))
).pipe(Layer.provideMerge(Applications.user), Layer.provide(Telemetry.layerService("user")))

const product = Layer.merge(
  LocalUpstreams.answer("product", Product.routes),
  layerServerLocal(contracts.product).pipe(Layer.provide(Product.Rpc))
).pipe(
  Layer.provideMerge(Applications.product),
  Layer.provide(OrderClient.layerLocal("product")),
  Layer.provide(Telemetry.layerService("product"))
)

const order = Layer.merge(
  LocalUpstreams.answer("order", Order.routes),
  layerServerLocal(contracts.order).pipe(Layer.provide(Order.Rpc))
).pipe(
  Layer.provide(Applications.order),
  Layer.provide([ProductClient.layerLocal("order"), PaymentClient.layerLocal("order")]),
  Layer.provide(Telemetry.layerService("order"))
)

const payment = Layer.merge(
  LocalUpstreams.answer("payment", Payment.routes),
  layerServerLocal(contracts.payment).pipe(Layer.provide(Payment.Rpc))
).pipe(
  Layer.provide(Applications.payment),
  Layer.provide(OrderClient.layerLocal("payment")),
  Layer.provide(Telemetry.layerService("payment"))
)

/** Who signs and verifies access tokens, once for the process. */
const callers = Callers.layer.pipe(
  Layer.provideMerge(Revocations.layerPolling),
  Layer.provide(UserClient.layerLocal("gateway")),
  Layer.provideMerge(TokenVerifier.layerSigner),
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
