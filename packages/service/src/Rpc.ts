import { Layer } from "effect"
import { type Rpc, RpcServer } from "effect/rpc"
import { OrderRpc } from "@marketplace/schema/Order/Rpc"
import { PaymentRpc } from "@marketplace/schema/Payment/Rpc"
import { ProductRpc } from "@marketplace/schema/Product/Rpc"
import { UserRpc } from "@marketplace/schema/User/Rpc"
import { type Contract, layerSerialization, pathOf } from "./Rpc/Contract.ts"
import * as Guard from "./Rpc/Guard.ts"
import { serve } from "./Rpc/LocalRpc.ts"

/** Who may call whom. Everybody who verifies access tokens asks user about ended sessions. */
export const contracts = {
  user: { callee: "user", group: UserRpc, callers: ["user", "product", "order", "payment", "gateway"] },
  product: { callee: "product", group: ProductRpc, callers: ["order"] },
  order: { callee: "order", group: OrderRpc, callers: ["payment", "product"] },
  payment: { callee: "payment", group: PaymentRpc, callers: ["order"] }
} as const

/**
 * Serves the procedures at `POST /rpc/<service>`, to callers with a service token. Internal: the gateway does not route it.
 * Provide the handlers (`OrderRpc.toLayer(…)`).
 */
export const layerServerHttp = <Rpcs extends Rpc.Any>(contract: Contract<Rpcs>) =>
  RpcServer.layerHttp({ group: contract.group, path: pathOf(contract.callee), protocol: "http", disableFatalDefects: true }).pipe(
    Layer.provide(Guard.layerSigned(contract)),
    Layer.provide(layerSerialization)
  )

/** Answers the procedures to services of the same process, without a socket. Provide the handlers as to `layerServerHttp`. */
export const layerServerLocal = <Rpcs extends Rpc.Any>(contract: Contract<Rpcs>) => Layer.effectDiscard(serve(contract))
