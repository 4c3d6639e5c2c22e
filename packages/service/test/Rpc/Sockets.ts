import { Effect, Layer, type Scope } from "effect"
import { HttpRouter } from "effect/http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { layerServerHttp } from "@marketplace/service/Rpc"
import type { ServiceTokens } from "@marketplace/service/Tokens/ServiceTokens"
import { createServer } from "node:http"
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from "node:net"
import { contract, handlers } from "./Sample.ts"

/** Stands between caller and callee, at an address that nobody else can have meanwhile. */
export const listen = (onConnection: (socket: Socket) => void): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly close: () => void }>((resume) => {
      const server = createTcpServer((socket) => {
        socket.on("error", () => {})
        onConnection(socket)
      })
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, close: () => server.close() }))
      })
    }),
    ({ close }) => Effect.sync(close)
  ).pipe(Effect.map(({ url }) => url))

/** @returns the callee's side of the connection; its answers are not passed on by itself */
export const passOn = (socket: Socket, port: number): Socket => {
  const upstream = connect(port, "127.0.0.1")
  upstream.on("error", () => socket.destroy())
  upstream.on("close", () => socket.destroy())
  socket.on("close", () => upstream.destroy())
  socket.pipe(upstream)
  return upstream
}

/** The sample on a port of its own, until the scope is closed. */
export const serveSample = Effect.fnUntraced(function*(tokens: Layer.Layer<ServiceTokens, unknown>) {
  const server = createServer()
  yield* HttpRouter.serve(layerServerHttp(contract), { disableLogger: true, disableListenLog: true }).pipe(
    Layer.provide([handlers, tokens, NodeHttpServer.layer(() => server, { port: 0, host: "127.0.0.1" })]),
    Layer.fresh,
    Layer.build
  )
  // Otherwise it would wait for the calls.
  yield* Effect.addFinalizer(() => Effect.sync(() => server.closeAllConnections()))
  return (server.address() as AddressInfo).port
})
