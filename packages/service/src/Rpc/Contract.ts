import { type Rpc, type RpcGroup, RpcSerialization } from "effect/rpc"
import type { ServiceName } from "@marketplace/schema/Access"

/** The procedures of a service and who may call them. All are idempotent: a call without an answer is sent again. */
export interface Contract<Rpcs extends Rpc.Any> {
  readonly callee: ServiceName
  readonly group: RpcGroup.RpcGroup<Rpcs>
  readonly callers: ReadonlyArray<ServiceName>
}

/** Where a service takes its calls. */
export const pathOf = (callee: ServiceName): `/rpc/${string}` => `/rpc/${callee}`

/** How a call is written in a body. No procedure streams, so one document each way: a quarter cheaper than framed JSON. */
export const layerSerialization = RpcSerialization.layerJson
