import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Layer, Logger } from "effect"
import { Money } from "@marketplace/domain/Money"
import { PaymentId, RefundId } from "@marketplace/domain/Payment/Ids"
import type { AddressInfo, Socket } from "node:net"
import * as Net from "node:net"
import { PaymentGateway } from "../src/PaymentGateway.ts"
import { layerSimulator } from "../src/PaymentGateway/Simulator.ts"

interface Peer {
  readonly url: string
  readonly sockets: Set<Socket>
  readonly requests: Array<string>
  readonly server: Net.Server
}

/** What a well-behaved provider never does: a peer that writes bytes of the test's choice, or cuts the connection. */
const listen = (serve: (socket: Socket, request: string) => void, accept: (socket: Socket) => void = () => {}) =>
  Effect.acquireRelease(
    Effect.promise(() =>
      new Promise<Peer>((resolve) => {
        const sockets = new Set<Socket>()
        const requests: Array<string> = []
        const server = Net.createServer((socket) => {
          sockets.add(socket)
          socket.on("error", () => {}).on("close", () => sockets.delete(socket))
          accept(socket)
          let request = ""
          socket.on("data", (chunk) => {
            request += chunk.toString()
            const [head, body] = request.split("\r\n\r\n")
            const length = Number(/content-length: (\d+)/i.exec(head ?? "")?.[1] ?? 0)
            if (body === undefined || body.length < length) return
            requests.push(request)
            serve(socket, request)
          })
        })
        server.listen(0, "127.0.0.1", () => {
          const { port } = server.address() as AddressInfo
          resolve({ url: `http://127.0.0.1:${port}`, sockets, requests, server })
        })
      })
    ),
    ({ server, sockets }) =>
      Effect.promise(() =>
        new Promise((resolve) => {
          server.close(resolve)
          for (const socket of sockets) socket.destroy()
        })
      )
  )

const http = (status: number, body: string, headers = "content-type: application/json") =>
  `HTTP/1.1 ${status} X\r\n${headers}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`

const answering = (status: number, body: unknown) =>
  listen((socket) => socket.end(http(status, typeof body === "string" ? body : JSON.stringify(body))))

const gatewayAt = (url: string, deadline = "10 seconds") =>
  Effect.map(
    Layer.build(Layer.fresh(layerSimulator).pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({
      env: { PAYMENT_SIMULATOR_URL: url, PAYMENT_SIMULATOR_SECRET: "canary_sk", PAYMENT_SIMULATOR_DEADLINE: deadline }
    }))))),
    Context.get(PaymentGateway)
  )

const paymentId = PaymentId.make("01940000-0000-7000-8000-000000000001")
const refundId = RefundId.make("01940000-0000-7000-8000-000000000002")
const amount = new Money({ amount: 15_000, currency: "KRW" })
const payment = { paymentId, providerPaymentKey: "key", amount }
const refund = { refundId, providerPaymentKey: "key", amount, reason: "PAID_LATE" }

const done = {
  paymentKey: "key",
  orderId: paymentId,
  status: "DONE",
  currency: "KRW",
  totalAmount: 15_000,
  lastTransactionKey: "t1",
  cancels: [],
  failure: null
}
const canceled = {
  ...done,
  status: "CANCELED",
  lastTransactionKey: "t2",
  cancels: [{ transactionKey: "t2", cancelAmount: 15_000 }]
}

/** What the three operations make of one provider. */
const ask = Effect.fn(function*(url: string, deadline?: string) {
  const gateway = yield* gatewayAt(url, deadline)
  return {
    confirm: (yield* gateway.confirm(payment))._tag,
    find: (yield* gateway.find(paymentId))._tag,
    refund: (yield* gateway.refund(refund))._tag
  }
})

const unclear = { confirm: "Unclear", find: "Unreachable", refund: "Unclear" }
const notSent = { confirm: "NotSent", find: "Unreachable", refund: "NotSent" }

describe("payment gateway against the wire", () => {
  const quiet = Logger.layer([])

  it.live("knows that nothing was sent when nobody listens or the name has no address", () =>
    Effect.gen(function*() {
      const { server, url } = yield* listen(() => {})
      yield* Effect.promise(() => new Promise((resolve) => server.close(resolve)))
      assert.deepStrictEqual(yield* ask(url), notSent)
      assert.deepStrictEqual(yield* ask(url.replace("127.0.0.1", "localhost")), notSent)
      assert.deepStrictEqual(yield* ask("http://no-such-provider.invalid"), notSent)
    }).pipe(Effect.provide(quiet)))

  it.live("knows nothing after a cut connection, wherever it is cut", () =>
    Effect.gen(function*() {
      const half = http(200, JSON.stringify(done)).slice(0, -20)
      const cuts = {
        "reset before reading": yield* listen(() => {}, (socket) => socket.resetAndDestroy()),
        "closed before reading": yield* listen(() => {}, (socket) => socket.destroy()),
        "closed after the request": yield* listen((socket) => socket.destroy()),
        "reset after the request": yield* listen((socket) => socket.resetAndDestroy()),
        "closed within the answer": yield* listen((socket) => socket.write(half, () => socket.destroy())),
        "reset within the answer": yield* listen((socket) => socket.write(half, () => socket.resetAndDestroy()))
      }
      for (const [cut, { url }] of Object.entries(cuts)) assert.deepStrictEqual(yield* ask(url), unclear, cut)
    }).pipe(Effect.provide(quiet)))

  it.live("gives up what does not end, and hangs up", () =>
    Effect.gen(function*() {
      const endless = {
        silence: yield* listen(() => {}),
        "an answer that stops": yield* listen((socket) => socket.write(http(200, JSON.stringify(done)).slice(0, -20))),
        "headers without end": yield* listen((socket) => socket.write("HTTP/1.1 200 OK\r\nx-more: "))
      }
      for (const [what, { sockets, url }] of Object.entries(endless)) {
        assert.deepStrictEqual(yield* ask(url, "200 millis"), unclear, what)
        yield* Effect.sleep("10 millis").pipe(Effect.repeat({ until: () => sockets.size === 0, times: 500 }))
        assert.strictEqual(sockets.size, 0, what)
      }
    }).pipe(Effect.provide(quiet)))

  it.live("reads no more than an answer can be long", () =>
    Effect.gen(function*() {
      let sent = 0
      const { url } = yield* listen((socket) => {
        socket.write("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
        const chunk = Buffer.alloc(16 * 1024, " ")
        const pour = () => {
          while (!socket.destroyed && socket.write(chunk)) sent += chunk.length
          sent += chunk.length
        }
        socket.on("drain", pour)
        pour()
      })
      assert.deepStrictEqual(yield* ask(url), unclear)
      assert.isBelow(sent, 64 * 1024 * 1024)
    }).pipe(Effect.provide(quiet)))

  it.live("knows nothing from what is no answer of a provider", () =>
    Effect.gen(function*() {
      const answers: ReadonlyArray<readonly [number, unknown]> = [
        ...["", "<html>", "{", [], {}].map((body) => [200, body] as const),
        [200, { ...done, totalAmount: "15000" }],
        [200, { ...done, totalAmount: 1.5 }],
        [200, { ...done, status: "PAID" }],
        [201, done],
        [204, ""],
        [400, "no"],
        [400, { code: 1 }],
        [400, { code: "ALREADY_PROCESSED_PAYMENT" }],
        [400, { code: "PROVIDER_ERROR" }],
        [403, ""],
        [404, "<html>"],
        [409, { code: "IDEMPOTENT_REQUEST_PROCESSING" }],
        [429, { code: "TOO_MANY_REQUESTS" }],
        [500, done],
        [502, "<html>"],
        [503, { code: "NOT_FOUND_PAYMENT" }]
      ]
      for (const [status, body] of answers) {
        const { url } = yield* answering(status, body)
        assert.deepStrictEqual(yield* ask(url), unclear, `${status} ${JSON.stringify(body)}`)
      }
      const { url } = yield* listen((socket) => socket.end("SSH-2.0-OpenSSH\r\n\r\n"))
      assert.deepStrictEqual(yield* ask(url), unclear)
    }).pipe(Effect.provide(quiet)))

  it.live("follows nobody elsewhere", () =>
    Effect.gen(function*() {
      const target = yield* answering(200, done)
      for (const status of [301, 302, 307, 308]) {
        const { url } = yield* listen((socket) => socket.end(http(status, "", `location: ${target.url}/v1/payments/confirm`)))
        assert.deepStrictEqual(yield* ask(url), unclear)
      }
      assert.deepStrictEqual(target.requests, [])
    }).pipe(Effect.provide(quiet)))

  it.live("knows nothing from an answer about something else, and says so in the log", () => {
    const logged: Array<string> = []
    return Effect.gen(function*() {
      const confirmations = [
        { ...done, orderId: "01940000-0000-7000-8000-00000000000f" },
        { ...done, paymentKey: "other" },
        { ...done, totalAmount: 14_999 },
        { ...done, totalAmount: 15_001 },
        { ...done, currency: "USD" }
      ]
      for (const body of confirmations) {
        logged.length = 0
        const gateway = yield* gatewayAt((yield* answering(200, body)).url)
        assert.deepStrictEqual(yield* gateway.confirm(payment), { _tag: "Unclear" }, JSON.stringify(body))
        assert.isTrue(logged.some((line) => line.startsWith("Error")), JSON.stringify(body))
      }
      const cancellations = [
        done,
        { ...canceled, paymentKey: "other" },
        { ...canceled, currency: "USD" },
        { ...canceled, cancels: [] },
        { ...canceled, lastTransactionKey: "t3" },
        { ...canceled, cancels: [{ transactionKey: "t2", cancelAmount: 14_999 }] }
      ]
      for (const body of cancellations) {
        logged.length = 0
        const gateway = yield* gatewayAt((yield* answering(200, body)).url)
        assert.deepStrictEqual(yield* gateway.refund(refund), { _tag: "Unclear" }, JSON.stringify(body))
        assert.isTrue(logged.some((line) => line.startsWith("Error")), JSON.stringify(body))
      }
      const other = yield* gatewayAt((yield* answering(200, { ...done, orderId: "01940000-0000-7000-8000-00000000000f" })).url)
      assert.deepStrictEqual(yield* other.find(paymentId), { _tag: "Unreachable" })
    }).pipe(Effect.provide(Logger.layer([Logger.make(({ logLevel, message }) => {
      logged.push(`${logLevel} ${String(message)}`)
    })])))
  })

  it.live("has had no effect when its secret is refused", () =>
    Effect.gen(function*() {
      const { url } = yield* answering(401, { code: "UNAUTHORIZED_KEY" })
      assert.deepStrictEqual(yield* ask(url), notSent)
    }).pipe(Effect.provide(quiet)))

  it.live("sends its ids as idempotency keys, and its secret nowhere but to the provider", () => {
    const logged: Array<string> = []
    return Effect.gen(function*() {
      const { requests, url } = yield* answering(500, "")
      yield* ask(url)
      const [confirm = "", find = "", cancel = ""] = requests
      assert.match(confirm, /^POST \/v1\/payments\/confirm HTTP/)
      assert.match(confirm, new RegExp(`idempotency-key: ${paymentId}`, "i"))
      const bodyOf = (request: string) => JSON.parse(request.split("\r\n\r\n")[1] ?? "")
      assert.deepStrictEqual(bodyOf(confirm), { paymentKey: "key", orderId: paymentId, amount: 15_000 })
      assert.match(find, new RegExp(`^GET /v1/payments/orders/${paymentId} HTTP`))
      assert.match(cancel, /^POST \/v1\/payments\/key\/cancel HTTP/)
      assert.match(cancel, new RegExp(`idempotency-key: ${refundId}`, "i"))
      assert.deepStrictEqual(bodyOf(cancel), { cancelReason: "PAID_LATE", cancelAmount: 15_000 })
      const credential = Buffer.from("canary_sk:").toString("base64")
      for (const request of requests) assert.include(request, `Basic ${credential}`)
      assert.isAbove(logged.length, 0)
      assert.notInclude(logged.join("\n"), "canary_sk")
      assert.notInclude(logged.join("\n"), credential)
    }).pipe(Effect.provide(Logger.layer([Logger.map(Logger.formatJson, (line) => {
      logged.push(line)
    })])))
  })
})
