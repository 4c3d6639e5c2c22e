import { Context, Layer } from "effect"
import type { RpcGroup } from "effect/rpc"
import type { ServiceName as Caller } from "@marketplace/schema/Access"
import type { OrderRpc } from "@marketplace/schema/Order/Rpc"
import type { PaymentRpc } from "@marketplace/schema/Payment/Rpc"
import type { ProductRpc } from "@marketplace/schema/Product/Rpc"
import type { UserRpc } from "@marketplace/schema/User/Rpc"
import * as Calls from "./Rpc/Calls.ts"
import { contracts } from "./Rpc.ts"

export { CalleeUnavailable } from "./Rpc/Calls.ts"

type CallsOf<Group> = Calls.Calls<RpcGroup.Rpcs<Group>>

/**
 * The user service, called by another one. As with all clients here: a call has its answer within three seconds, and sooner
 * if who asked us waits less; what is lost on the way is sent again, which nobody above this may do. Over HTTP a client that
 * keeps its connections is wanted: `NodeHttpClient.layerUndici` (`layerNodeHttp` opens one for each call).
 */
export class UserClient extends Context.Service<UserClient, CallsOf<typeof UserRpc>>()("@marketplace/service/UserClient") {
  static readonly layerLocal = (caller: Caller) => Layer.effect(UserClient, Calls.local(contracts.user, caller))
  /** At `USER_URL`. */
  static readonly layerHttp = Layer.effect(UserClient, Calls.http(contracts.user, "USER_URL"))
}

/** The product service, for order. */
export class ProductClient extends Context.Service<ProductClient, CallsOf<typeof ProductRpc>>()(
  "@marketplace/service/ProductClient"
) {
  static readonly layerLocal = (caller: Caller) => Layer.effect(ProductClient, Calls.local(contracts.product, caller))
  /** At `PRODUCT_URL`. */
  static readonly layerHttp = Layer.effect(ProductClient, Calls.http(contracts.product, "PRODUCT_URL"))
}

/** The order service, for payment and product. */
export class OrderClient extends Context.Service<OrderClient, CallsOf<typeof OrderRpc>>()("@marketplace/service/OrderClient") {
  static readonly layerLocal = (caller: Caller) => Layer.effect(OrderClient, Calls.local(contracts.order, caller))
  /** At `ORDER_URL`. */
  static readonly layerHttp = Layer.effect(OrderClient, Calls.http(contracts.order, "ORDER_URL"))
}

/** The payment service, for order. */
export class PaymentClient extends Context.Service<PaymentClient, CallsOf<typeof PaymentRpc>>()(
  "@marketplace/service/PaymentClient"
) {
  static readonly layerLocal = (caller: Caller) => Layer.effect(PaymentClient, Calls.local(contracts.payment, caller))
  /** At `PAYMENT_URL`. */
  static readonly layerHttp = Layer.effect(PaymentClient, Calls.http(contracts.payment, "PAYMENT_URL"))
}
