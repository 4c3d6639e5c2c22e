import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import { connect, createServer, type Server, type Socket } from "node:net"
import * as FaultProxy from "../src/FaultProxy.ts"

/** Answers each piece with the same piece; remembers what it was sent. */
const received: Array<string> = []
let target: Server
let proxy: FaultProxy.FaultProxy
const open = new Set<Socket>()

beforeEach(async () => {
  received.length = 0
  target = createServer((socket) => {
    socket.on("error", () => socket.destroy())
    socket.on("data", (chunk: Buffer) => {
      received.push(chunk.toString())
      if (chunk.toString() === "goodbye") socket.end(chunk)
      else socket.write(chunk)
    })
  })
  await new Promise<void>((resolve) => target.listen(0, "127.0.0.1", resolve))
  proxy = await FaultProxy.start(() => {
    const address = target.address()
    return typeof address === "object" && address !== null ? { host: "127.0.0.1", port: address.port } : undefined
  })
})

afterEach(async () => {
  for (const socket of open) socket.destroy()
  open.clear()
  await proxy.close()
  await new Promise((resolve) => target.close(resolve))
})

const dial = () =>
  new Promise<Socket>((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port: proxy.port })
    open.add(socket)
    socket.once("connect", () => resolve(socket))
    socket.once("error", reject)
  })

/** The answer, or that the connection ended first, or that neither came in time. */
const ask = (socket: Socket, text: string, within = 1000) =>
  new Promise<string>((resolve) => {
    const timer = setTimeout(() => resolve("nothing"), within)
    const done = (what: string) => {
      clearTimeout(timer)
      resolve(what)
    }
    socket.once("data", (chunk) => done(String(chunk)))
    socket.once("close", () => done("closed"))
    socket.on("error", () => done("closed"))
    socket.write(text)
  })

describe("FaultProxy", () => {
  it("without a fault lets everything through", async () => {
    assert.strictEqual(await ask(await dial(), "hello"), "hello")
    assert.strictEqual(proxy.hits(), 0)
  })

  it("latency: everything comes later, each way, and in order", async () => {
    await proxy.set({ kind: "latency", millis: 60 })
    const begun = performance.now()
    assert.strictEqual(await ask(await dial(), "hello"), "hello")
    assert.isAtLeast(performance.now() - begun, 115)
    assert.strictEqual(proxy.hits(), 2)
    assert.strictEqual(await ask(await dial(), "goodbye"), "goodbye")
  })

  it("cut: what is open ends, what is new ends with its first bytes, and nothing arrives", async () => {
    const before = await dial()
    assert.strictEqual(await ask(before, "hello"), "hello")
    const ended = new Promise((resolve) => before.once("close", resolve))
    await proxy.set({ kind: "cut" })
    await ended
    assert.strictEqual(await ask(await dial(), "lost"), "closed")
    assert.deepStrictEqual(received, ["hello"])
    assert.strictEqual(proxy.hits(), 2)
  })

  it("swallow: the request arrives, the answer does not", async () => {
    await proxy.set({ kind: "swallow" })
    assert.strictEqual(await ask(await dial(), "done"), "closed")
    assert.deepStrictEqual(received, ["done"])
    assert.strictEqual(proxy.hits(), 1)
  })

  it("halfOpen: nothing arrives and nothing ends, until it is over", async () => {
    const socket = await dial()
    await proxy.set({ kind: "halfOpen" })
    assert.strictEqual(await ask(socket, "lost", 200), "nothing")
    assert.deepStrictEqual(received, [])
    assert.strictEqual(proxy.hits(), 1)
    const ended = new Promise((resolve) => socket.once("close", resolve))
    await proxy.set(undefined)
    await ended
    assert.strictEqual(await ask(await dial(), "hello"), "hello")
  })

  it("refuse: nobody listens, and afterwards somebody does on the same port", async () => {
    await proxy.set({ kind: "refuse" })
    const refused = await dial().then(() => "", (error: NodeJS.ErrnoException) => error.code)
    assert.strictEqual(refused, "ECONNREFUSED")
    await proxy.set(undefined)
    assert.strictEqual(await ask(await dial(), "hello"), "hello")
  })
})
