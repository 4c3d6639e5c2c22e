import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Redacted } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Calls from "@marketplace/service/Rpc/Calls"
import { layersGenerated, ServiceTokens } from "@marketplace/service/Tokens/ServiceTokens"
import { contract, logged, Probe, within, won } from "./Rpc/Sample.ts"
import { listen, passOn, serveSample } from "./Rpc/Sockets.ts"

/** The callee on a socket, and its callers. */
const world = Effect.gen(function*() {
  const tokensOf = yield* layersGenerated
  const port = yield* serveSample(tokensOf("payment"))
  const calls = (addresses: string, tokens = tokensOf("order")) =>
    Layer.build(Layer.mergeAll(
      tokens,
      NodeHttpClient.layerUndici,
      ConfigProvider.layer(ConfigProvider.fromUnknown({ PAYMENT_URL: addresses }))
    )).pipe(Effect.flatMap((context) => Effect.provide(Calls.http(contract, "PAYMENT_URL"), context)))
  return { calls, port, tokensOf, url: `http://127.0.0.1:${port}` }
}).pipe(Effect.provide(Probe.layer))

describe("calls over HTTP", () => {
  it.live("are made again when the answer is lost on the way", () =>
    Effect.gen(function*() {
      const { calls, port } = yield* world
      let connections = 0
      const url = yield* listen((socket) => {
        connections += 1
        const upstream = passOn(socket, port)
        // The callee has done its work; nobody hears of it.
        if (connections <= 2) upstream.once("data", () => socket.destroy())
        else upstream.pipe(socket)
      })
      const { price } = yield* (yield* calls(url)).Double({ price: won(7) })
      assert.deepStrictEqual(price, won(14))
      assert.strictEqual(connections, 3)
    }).pipe(Effect.scoped))

  it.live("are not multiplied when the callee is in trouble", () =>
    Effect.gen(function*() {
      const { calls } = yield* world
      let connections = 0
      const url = yield* listen((socket) => {
        connections += 1
        socket.destroy()
      })
      const { Double } = yield* calls(url)
      const failing = Array.from({ length: 30 }, () => Effect.flip(Double({ price: won(1) })))
      const [failed] = yield* logged(Effect.all(failing, { concurrency: 5 }).pipe(within(3000)))
      assert.isTrue(failed.every(({ _tag }) => _tag === "CalleeUnavailable"))
      assert.isTrue(connections > 30 && connections <= 40, String(connections))
    }).pipe(Effect.scoped))

  it.live("take the addresses of the callee in turn", () =>
    Effect.gen(function*() {
      const { calls, url } = yield* world
      const dead = yield* listen((socket) => socket.destroy())
      const { Double } = yield* calls(`${dead}, ${url}/`)
      const answers = yield* Effect.forEach([1, 2, 3, 4, 5, 6], (n) => Double({ price: won(n) }))
      assert.deepStrictEqual(answers.map(({ price }) => price.amount), [2, 4, 6, 8, 10, 12])
    }).pipe(Effect.scoped))

  for (const [name, status, body, told] of [
    ["an error of a proxy", 502, "<html>bad gateway</html>", "502"],
    ["a problem of another server", 404, "{\"type\":\"/problems/route-not-found\"}", "404"],
    ["a page", 200, "<html>welcome</html>", "decoding"],
    ["nothing", 200, "", "decoding"]
  ] as const) {
    it.live(`take ${name} for no answer`, () =>
      Effect.gen(function*() {
        const { calls } = yield* world
        const url = yield* listen((socket) => {
          const head = `HTTP/1.1 ${status} \r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n`
          socket.once("data", () => socket.end(head + body))
        })
        const { Double } = yield* calls(url)
        const [error, lines] = yield* logged(Double({ price: won(1) }).pipe(within(300), Effect.flip))
        assert.strictEqual(error._tag, "CalleeUnavailable")
        assert.include(lines.join(), told)
        assert.notInclude(JSON.stringify(error), "html")
      }).pipe(Effect.scoped))
  }

  it.live("need a token for this callee", () =>
    Effect.gen(function*() {
      const { calls, tokensOf, url } = yield* world
      const forOther = Layer.effect(ServiceTokens, Effect.map(ServiceTokens, (tokens) =>
        ServiceTokens.of({ ...tokens, issue: () => tokens.issue("product") }))).pipe(Layer.provide(tokensOf("order")))
      const none = Layer.effect(ServiceTokens, Effect.map(ServiceTokens, (tokens) =>
        ServiceTokens.of({ ...tokens, issue: () => Effect.succeed(Redacted.make("")) }))).pipe(Layer.provide(tokensOf("order")))
      for (const tokens of [forOther, none]) {
        const [error] = yield* logged(Effect.flip((yield* calls(url, tokens)).Double({ price: won(1) })))
        assert.deepStrictEqual([error._tag, error.detail], ["CalleeUnavailable", "payment refuses the call"])
      }
    }).pipe(Effect.scoped))

  it.live("answer a request without any token with a refusal and nothing else", () =>
    Effect.gen(function*() {
      const { url } = yield* world
      const request = { _tag: "Request", id: "1", tag: "Sample.Double", payload: { price: won(1) }, headers: [] }
      const response = yield* HttpClient.execute(
        HttpClientRequest.post(`${url}/rpc/payment`).pipe(
          HttpClientRequest.bodyText(JSON.stringify(request), "application/json")
        )
      )
      const text = yield* response.text
      assert.include(text, "ServiceRefused")
      assert.include(text, "no token")
      assert.notInclude(text, "Success")
    }).pipe(Effect.scoped, Effect.provide(NodeHttpClient.layerUndici)))
})
