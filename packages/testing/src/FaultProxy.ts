import { connect, createServer, type Server, type Socket } from "node:net"

/** What becomes of connections and of what is sent through them. */
export type Fault =
  /** Everything comes so many milliseconds later, each way. */
  | { readonly kind: "latency"; readonly millis: number }
  /** Connections end at once; a new one with its first bytes, of which nothing goes on. */
  | { readonly kind: "cut" }
  /** Nothing is sent on either way, nothing is closed. */
  | { readonly kind: "halfOpen" }
  /** What was asked arrives and is done; instead of the answer the connection ends. */
  | { readonly kind: "swallow" }
  /** Nobody listens. */
  | { readonly kind: "refuse" }

export interface FaultProxy {
  readonly port: number
  /** From now on; `undefined` lets everything through. Connections that a fault has spoilt end with it. */
  readonly set: (fault: Fault | undefined) => Promise<void>
  /** How often the fault that was set last has struck: pieces delayed or lost, connections ended. */
  readonly hits: () => number
  readonly close: () => Promise<void>
}

interface Pair {
  readonly client: Socket
  readonly target: Socket
  spoilt: boolean
}

/**
 * A TCP proxy on 127.0.0.1 whose faults are set while it runs.
 *
 * @param targetOf asked for each connection, so that the target may move; undefined: there is none now
 */
export const start = async (targetOf: () => { readonly host: string; readonly port: number } | undefined): Promise<FaultProxy> => {
  let fault: Fault | undefined
  let hits = 0
  const pairs = new Set<Pair>()

  const end = (pair: Pair) => {
    pairs.delete(pair)
    pair.client.destroy()
    pair.target.destroy()
  }

  /** A piece on its way; `answer` says which. */
  const carry = (pair: Pair, to: Socket, answer: boolean, chunk: Buffer) => {
    if (pair.spoilt) return
    switch (fault?.kind) {
      case undefined:
      case "refuse":
        return void to.write(chunk)
      case "latency":
        hits++
        return void setTimeout(() => to.destroyed || pair.spoilt || to.write(chunk), fault.millis)
      case "cut":
        hits++
        return end(pair)
      case "halfOpen":
        hits++
        pair.spoilt = true
        return
      case "swallow":
        if (!answer) return void to.write(chunk)
        hits++
        return end(pair)
    }
  }

  const accept = (client: Socket) => {
    const at = targetOf()
    if (at === undefined) return void client.destroy()
    const target = connect(at)
    const pair: Pair = { client, target, spoilt: false }
    pairs.add(pair)
    for (const [socket, other] of [[client, target], [target, client]] as const) {
      socket.setNoDelay(true)
      socket.on("error", () => end(pair))
      // What was sent before the end arrives before it.
      const pass = () => {
        pairs.delete(pair)
        other.end()
      }
      socket.on("close", () => pair.spoilt || (fault?.kind === "latency" ? setTimeout(pass, fault.millis + 5) : pass()))
    }
    client.on("data", (chunk: Buffer) => carry(pair, target, false, chunk))
    target.on("data", (chunk: Buffer) => carry(pair, client, true, chunk))
  }

  let server: Server | undefined
  const listen = (port: number) =>
    new Promise<number>((resolve, reject) => {
      const listening = createServer({ noDelay: true }, accept)
      server = listening
      listening.once("error", reject)
      listening.listen(port, "127.0.0.1", () => {
        const address = listening.address()
        resolve(typeof address === "object" && address !== null ? address.port : port)
      })
    })
  const unlisten = () =>
    new Promise<void>((resolve) => {
      const listening = server
      server = undefined
      if (listening === undefined) return resolve()
      listening.close(() => resolve())
      for (const pair of [...pairs]) end(pair)
    })
  const port = await listen(0)

  return {
    port,
    hits: () => hits,
    set: async (next) => {
      for (const pair of [...pairs]) if (pair.spoilt) end(pair)
      fault = next
      hits = 0
      if (next?.kind === "cut" || next?.kind === "refuse") {
        hits += pairs.size
        for (const pair of [...pairs]) end(pair)
      }
      if (next?.kind === "refuse") await unlisten()
      else if (server === undefined) await listen(port)
    },
    close: unlisten
  }
}
