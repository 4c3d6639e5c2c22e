import { Context } from "effect"
import { HttpApi, type HttpApiGroup } from "effect/http-api"
import { MemberOnly } from "./Access.ts"
import { SharedFor, SharesAnswers } from "./Caching.ts"
import { OrderApi } from "./Order/HttpApi.ts"
import { PaymentApi } from "./Payment/HttpApi.ts"
import { ProductApi } from "./Product/HttpApi.ts"
import type { EventContext } from "./Topology.ts"
import { UserApi } from "./User/HttpApi.ts"

const methods = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const

const isPath = (path: string): path is `/${string}` => path.startsWith("/")

/** One operation of the public API. */
export interface Operation {
  /** `<group>.<endpoint>`, as in OpenAPI. */
  readonly id: string
  /** The service that answers it. */
  readonly service: EventContext
  readonly method: typeof methods[number]
  /** With parameters, as `/v1/orders/:id`. */
  readonly path: `/${string}`
  /** Who may call it. */
  readonly access: "public" | "member"
  /** For how many seconds its successful answer may be shown to others (`sharedFor`); undefined: not at all. */
  readonly sharedFor: number | undefined
}

/** @throws for an operation that the gateway cannot route, or whose answers it must not share */
export const operationsOf = <Id extends string, Groups extends HttpApiGroup.Constraint>(service: EventContext, api: HttpApi.HttpApi<Id, Groups>) => {
  const operations: Array<Operation> = []
  HttpApi.reflect(api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint, group, middleware }) => {
      const id = `${group.identifier}.${endpoint.identifier}`
      const method = methods.find((known) => known === endpoint.method)
      if (method === undefined || !isPath(endpoint.path)) throw new Error(`${id}: the gateway does not route ${endpoint.method} ${endpoint.path}`)
      const has = ({ key }: { readonly key: string }) => [...middleware].some((one) => one.key === key)
      const access = has(MemberOnly) ? "member" : "public"
      const sharedFor = Context.getOrUndefined(endpoint.annotations, SharedFor)
      if (sharedFor !== undefined && (method !== "GET" || access !== "public")) throw new Error(`${id}: only what anybody may GET is shared`)
      if (sharedFor !== undefined && !has(SharesAnswers)) throw new Error(`${id}: sharedFor needs the middleware SharesAnswers`)
      operations.push({ id, service, method, path: endpoint.path, access, sharedFor })
    }
  })
  return operations
}

/** Every operation of every contract. What is not in it does not exist outside. */
export const operations: ReadonlyArray<Operation> = [
  ...operationsOf("user", UserApi),
  ...operationsOf("product", ProductApi),
  ...operationsOf("order", OrderApi),
  ...operationsOf("payment", PaymentApi)
]
