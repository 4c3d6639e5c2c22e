import { Context, Effect, Latch, Layer, Scope, Tracer } from "effect"
import { type Rpc, RpcClient, type RpcMessage, RpcServer } from "effect/rpc"
import type { ServiceName } from "@marketplace/schema/Access"
import type { Contract } from "./Contract.ts"
import * as Guard from "./Guard.ts"

/** Where the callers of one service meet it. */
interface Line<Rpcs extends Rpc.Any> {
  server: RpcServer.RpcServer<Rpcs> | undefined
  /** Open while there is a server. */
  readonly served: Latch.Latch
  nextClient: number
  readonly clients: Map<number, {
    readonly caller: ServiceName
    readonly receive: (message: RpcMessage.FromServer<Rpcs>) => Effect.Effect<void>
  }>
}

/**
 * Joins clients and servers that live in one process. Servers enter themselves when they are built and clients look them up
 * at each call, because order calls payment and payment calls order: neither can be built after the other. A call that
 * comes too early waits, for as long as its deadline allows.
 */
export class LocalRpc extends Context.Service<LocalRpc, {
  readonly line: <Rpcs extends Rpc.Any>(contract: Contract<Rpcs>) => Line<Rpcs>
}>()("@marketplace/service/LocalRpc") {
  static readonly layer = Layer.sync(LocalRpc, () => {
    const lines = new Map<ServiceName, unknown>()
    return LocalRpc.of({
      line: <Rpcs extends Rpc.Any>({ callee }: Contract<Rpcs>) => {
        // A service has one contract, so what is found under its name is of that contract's type.
        const known = lines.get(callee) as Line<Rpcs> | undefined
        const line = known ?? { server: undefined, served: Latch.makeUnsafe(), nextClient: 0, clients: new Map() }
        lines.set(callee, line)
        return line
      }
    })
  })
}

/** Answers the calls of a contract until the scope is closed. */
export const serve = Effect.fnUntraced(function*<Rpcs extends Rpc.Any>(contract: Contract<Rpcs>) {
  const line = (yield* LocalRpc).line(contract)
  const server = yield* RpcServer.makeNoSerialization(contract.group, {
    disableFatalDefects: true,
    onFromServer: (message) => line.clients.get(message.clientId)?.receive(message) ?? Effect.void
  }).pipe(Effect.provide(Guard.layerTrusted(contract, (id) => line.clients.get(id)?.caller)))
  // Nothing of the caller's context reaches the handler, as little as it would through a socket: no transaction above all.
  const own: Context.Context<never> = Context.omit(Scope.Scope, Tracer.ParentSpan)(yield* Effect.context<never>())
  const here = (effect: Effect.Effect<void>) => Effect.updateContext(effect, (_: Context.Context<never>) => own)
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      line.server = {
        write: (clientId, message) => here(server.write(clientId, message)),
        disconnect: (clientId) => here(server.disconnect(clientId))
      }
      line.served.openUnsafe()
    }),
    () =>
      Effect.sync(() => {
        line.server = undefined
        line.served.closeUnsafe()
      })
  )
})

/** A client of the contract, until the scope is closed. */
export const connect = Effect.fnUntraced(function*<Rpcs extends Rpc.Any>(contract: Contract<Rpcs>, caller: ServiceName) {
  const line = (yield* LocalRpc).line(contract)
  const id = line.nextClient++
  const { client, write } = yield* RpcClient.makeNoSerialization(contract.group, {
    supportsAck: true,
    flatten: true,
    onFromClient: ({ message }) =>
      Effect.suspend(() => {
        if (line.server !== undefined) return line.server.write(id, message)
        if (message._tag !== "Request") return Effect.void
        return Effect.andThen(line.served.await, Effect.suspend(() => line.server?.write(id, message) ?? Effect.interrupt))
      })
  }).pipe(Effect.provide(Guard.layerTrusting))
  yield* Effect.acquireRelease(
    Effect.sync(() => line.clients.set(id, { caller, receive: write })),
    () =>
      Effect.suspend(() => {
        line.clients.delete(id)
        return line.server?.disconnect(id) ?? Effect.void
      })
  )
  return client
})
