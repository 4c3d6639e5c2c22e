import { Effect, type Scope } from "effect"
import { type AddressInfo, createConnection, createServer, type Socket } from "node:net"

/** A way to a server on which replies can be lost. */
export interface SwallowingProxy {
  readonly port: number
  /** The next reply is lost with its connection, after the server has done what it was asked. */
  readonly swallowNext: Effect.Effect<void>
}

interface Open {
  readonly port: number
  readonly state: { swallowing: boolean }
  readonly close: () => void
}

export const make = (
  target: { readonly host: string; readonly port: number }
): Effect.Effect<SwallowingProxy, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<Open>((resume) => {
        const state = { swallowing: false }
        const sockets = new Set<Socket>()
        const server = createServer((down) => {
          const up = createConnection(target)
          for (const socket of [down, up]) {
            sockets.add(socket)
            socket.on("error", () => {})
            socket.on("close", () => {
              down.destroy()
              up.destroy()
            })
          }
          down.pipe(up)
          up.on("data", (reply) => {
            if (!state.swallowing) return void down.write(reply)
            state.swallowing = false
            down.destroy()
          })
        })
        const close = () => {
          server.close()
          for (const socket of sockets) socket.destroy()
        }
        server.listen(0, "127.0.0.1", () => {
          resume(Effect.succeed({ state, port: (server.address() as AddressInfo).port, close }))
        })
      }),
      ({ close }) => Effect.sync(close)
    ),
    ({ port, state }) => ({
      port,
      swallowNext: Effect.sync(() => {
        state.swallowing = true
      })
    })
  )
