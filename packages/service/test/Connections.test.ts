import { assert, layer } from "@effect/vitest"
import { Config, Effect, Layer, Logger } from "effect"
import * as Net from "node:net"
import { Health } from "../src/Health.ts"
import * as Server from "../src/Server.ts"
import { portOf, Shop } from "./Server/Shop.ts"

/** Sends bytes and reads until the server closes the connection. */
const raw = (port: number, ...parts: ReadonlyArray<string>) =>
  Effect.callback<string>((resume) => {
    let answer = ""
    const socket = Net.connect(port, "127.0.0.1", () => {
      for (const part of parts) socket.write(part)
    })
    socket.on("data", (chunk) => {
      answer += chunk.toString()
    })
    socket.on("error", () => {})
    socket.on("close", () => resume(Effect.succeed(answer)))
    return Effect.sync(() => socket.destroy())
  })

const Impatient = Server.serve(Shop, {
  service: "impatient",
  port: Config.succeed(0),
  limits: { headersTimeout: 300, requestTimeout: 600, maxConnections: 20 }
}).pipe(Layer.provide([Health.layer, Logger.layer([])]))

layer(Impatient, { excludeTestServices: true })("connections", (it) => {
  const problem = (answer: string, status: number, type: string) => {
    assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `))
    assert.match(answer, /content-type: application\/problem\+json/i)
    assert.include(answer, `"type":"${type}"`)
  }

  it.effect("that send no HTTP are told so", () => Effect.gen(function*() {
    problem(yield* raw(yield* portOf, "hello\r\n\r\n"), 400, "/problems/bad-request")
    problem(yield* raw(yield* portOf, "GET / HTTP/9.9\r\n\r\n"), 400, "/problems/bad-request")
  }))

  it.effect("with too large headers are told so", () => Effect.gen(function*() {
    problem(
      yield* raw(yield* portOf, `GET / HTTP/1.1\r\nhost: x\r\nx: ${"y".repeat(20_000)}\r\n\r\n`),
      431,
      "/problems/headers-too-large"
    )
  }))

  it.effect("that do not finish their headers or their body are closed", () => Effect.gen(function*() {
    const port = yield* portOf
    problem(yield* raw(port, "GET / HTTP/1.1\r\nhost: x\r\n"), 408, "/problems/request-timeout")
    const head = "POST /v1/things HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n"
    problem(
      yield* raw(port, head, "{\"na"),
      408,
      "/problems/request-timeout"
    )
  }))

  it.effect("that smuggle a second length are refused", () => Effect.gen(function*() {
    problem(
      yield* raw(
        yield* portOf,
        "POST /v1/things HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n",
        "0\r\n\r\nGET /v1/things/fine HTTP/1.1\r\n\r\n"
      ),
      400,
      "/problems/bad-request"
    )
  }))

  it.effect("cannot trace", () => Effect.gen(function*() {
    const answer = yield* raw(yield* portOf, "TRACE /v1/things HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    problem(answer, 405, "/problems/method-not-allowed")
  }))

  it.effect("are closed when there are too many", () => Effect.gen(function*() {
    const port = yield* portOf
    const held = Array.from({ length: 20 }, () => Net.connect(port, "127.0.0.1"))
    yield* Effect.promise(() => Promise.all(held.map((socket) => new Promise((resolve) => socket.once("connect", resolve)))))
    assert.strictEqual(yield* raw(port, "GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n"), "")
    for (const socket of held) socket.destroy()
  }))
})
