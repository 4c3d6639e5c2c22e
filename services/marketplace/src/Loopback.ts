import { Config, ConfigProvider, Effect, Layer } from "effect"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Wakeups from "@marketplace/events/Wakeups"
import * as HttpUpstreams from "@marketplace/gateway/Upstreams/Http"
import * as Order from "@marketplace/order/Service"
import * as Payment from "@marketplace/payment/Service"
import * as Product from "@marketplace/product/Service"
import { Callers } from "@marketplace/service/Callers"
import { OrderClient, PaymentClient, ProductClient, UserClient } from "@marketplace/service/Clients"
import { Commands } from "@marketplace/service/Commands"
import { Cursor } from "@marketplace/service/Cursor"
import { Revocations } from "@marketplace/service/Revocations"
import { contracts, layerServerHttp } from "@marketplace/service/Rpc"
import * as Server from "@marketplace/service/Server"
import { TokenSigner, TokenVerifier } from "@marketplace/service/Tokens"
import { layersGenerated } from "@marketplace/service/Tokens/ServiceTokens"
import * as User from "@marketplace/user/Service"
import * as Applications from "./Applications.ts"

const names = ["user", "product", "order", "payment"] as const
const host = "127.0.0.1"

/** A free port for each service, as the settings by which the others find it. */
const addresses = Effect.gen(function*() {
  let next = 18_100
  const ports = new Map<typeof names[number], number>()
  for (const name of names) {
    const port = yield* Server.nextFreePort(host, next)
    ports.set(name, port)
    next = port + 1
  }
  return {
    portOf: (name: typeof names[number]) => Config.succeed(ports.get(name) ?? 0),
    settings: Object.fromEntries(names.map((name) => [`${name.toUpperCase()}_URL`, `http://${host}:${ports.get(name)}`]))
  }
})

/**
 * The same four services in this process, but with sockets between them: HTTP from the gateway, RPC with signed tokens among
 * themselves. So nothing can lean on shared memory unnoticed.
 */
export const services = Layer.unwrap(Effect.gen(function*() {
  const { portOf, settings } = yield* addresses
  const tokensOf = yield* layersGenerated

  const user = Server.serve(Layer.merge(User.routes, layerServerHttp(contracts.user).pipe(Layer.provide(User.Rpc))), {
    service: "user",
    port: portOf("user")
  }).pipe(Layer.provideMerge(Applications.user), Layer.provide(tokensOf("user")))

  const product = Server.serve(Layer.merge(Product.routes, layerServerHttp(contracts.product).pipe(Layer.provide(Product.Rpc))), {
    service: "product",
    port: portOf("product")
  }).pipe(Layer.provideMerge(Applications.product), Layer.provide(OrderClient.layerHttp), Layer.provide(tokensOf("product")))

  const order = Server.serve(Layer.merge(Order.routes, layerServerHttp(contracts.order).pipe(Layer.provide(Order.Rpc))), {
    service: "order",
    port: portOf("order")
  }).pipe(
    Layer.provide(Applications.order),
    Layer.provide([ProductClient.layerHttp, PaymentClient.layerHttp]),
    Layer.provide(tokensOf("order"))
  )

  // OrderClient is another one than product's: it signs as payment
  const payment = Server.serve(Layer.merge(Payment.routes, layerServerHttp(contracts.payment).pipe(Layer.provide(Payment.Rpc))), {
    service: "payment",
    port: portOf("payment")
  }).pipe(Layer.provide(Applications.payment), Layer.provide(Layer.fresh(OrderClient.layerHttp)), Layer.provide(tokensOf("payment")))

  const callers = Callers.layer.pipe(
    Layer.provideMerge(Revocations.layerPolling),
    Layer.provide(UserClient.layerHttp),
    Layer.provide(tokensOf("gateway")),
    Layer.provideMerge(TokenVerifier.layerSigner),
    Layer.provideMerge(TokenSigner.layerConfig)
  )

  return Layer.mergeAll(user, product, order, payment).pipe(
    Layer.provideMerge(callers),
    Layer.provideMerge(HttpUpstreams.layer),
    Layer.provide([Cursor.layerConfig, Commands.layer, Wakeups.Wakeups.layer, NodeCrypto.layerSecureRandom, NodeHttpClient.layerUndici]),
    Layer.provide(ConfigProvider.layerAdd(ConfigProvider.fromEnv({ env: settings })))
  )
}))
