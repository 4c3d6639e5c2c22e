import { assert } from "@effect/vitest"
import { Config, ConfigProvider, Context, Effect, Layer, Logger, Tracer } from "effect"
import { HttpServer } from "effect/http"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { MemberId, SessionId } from "@marketplace/domain/User/Ids"
import { Callers } from "@marketplace/service/Callers"
import { Health } from "@marketplace/service/Health"
import { Revocations } from "@marketplace/service/Revocations"
import { TokenSigner, TokenVerifier } from "@marketplace/service/Tokens"
import { generateKeys } from "@marketplace/service/Tokens/Keys"
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http"
import { connect } from "node:net"
import * as Gateway from "../src/Service.ts"
import * as HttpUpstreams from "../src/Upstreams/Http.ts"

export const memberId = MemberId.make("01941f29-7c00-7000-8000-000000000001")
export const sessionId = SessionId.make("01941f29-7c00-7000-8000-000000000002")
export const endedSession = SessionId.make("01941f29-7c00-7000-8000-000000000003")

/** A request as it arrived at an upstream. */
export interface Arrived {
  readonly at: string
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** Two servers that take down what reaches them and answer as the test says. */
export class Upstream extends Context.Service<Upstream, {
  readonly urls: ReadonlyArray<string>
  readonly arrived: Array<Arrived>
  answer: (request: Arrived, response: ServerResponse) => void
}>()("test/Upstream") {
  static readonly layer = Layer.effect(Upstream, Effect.gen(function*() {
    const arrived: Array<Arrived> = []
    const open = Effect.fnUntraced(function*(at: string) {
      const server = createServer((request: IncomingMessage, response) => {
        const chunks: Array<Buffer> = []
        request.on("data", (chunk: Buffer) => chunks.push(chunk))
        request.on("end", () => {
          const { headers, method = "", url = "" } = request
          const one: Arrived = { at, method, url, headers, body: Buffer.concat(chunks).toString() }
          arrived.push(one)
          self.answer(one, response)
        })
      })
      yield* Effect.acquireRelease(
        Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
        () => Effect.sync(() => {
          server.close()
          server.closeAllConnections()
        })
      )
      const address = server.address()
      return typeof address === "object" && address !== null ? `http://127.0.0.1:${address.port}` : ""
    })
    const self = Upstream.of({ urls: [yield* open("first"), yield* open("second")], arrived, answer: saying({ fine: true }) })
    return self
  }))
}

/** Answers with JSON. */
export const saying = (value: unknown) => (_: Arrived, response: ServerResponse) => {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value))
}

/** Who calls: the real verification of signed tokens; which sessions have ended is said here. */
const keys = Layer.unwrap(Effect.map(generateKeys, ({ privatePem }) => TokenSigner.layer(privatePem)))

export const callers = Callers.layer.pipe(
  Layer.provide(Layer.succeed(Revocations, { isRevoked: (session) => Effect.succeed(session === endedSession) })),
  Layer.provide(TokenVerifier.layerSigner),
  Layer.provideMerge(keys),
  Layer.provide(NodeCrypto.layerSecureRandom)
)

/** Every span of the gateway's process. */
export const spans: Array<Tracer.Span> = []
export const tracer = Layer.succeed(Tracer.Tracer, Tracer.make({
  span: (options) => {
    const span = new Tracer.NativeSpan(options)
    spans.push(span)
    return span
  }
}))

export const settings = (env: Record<string, string>) => ConfigProvider.layer(ConfigProvider.fromEnv({ env }))

/** The gateway in front of the two servers, with settings of its own. */
export const world = (env: Record<string, string> = {}) =>
  Layer.unwrap(Effect.gen(function*() {
    const { urls } = yield* Upstream
    const [first = ""] = urls
    return Gateway.serve({ port: Config.succeed(0) }, Layer.empty).pipe(
      Layer.provide(HttpUpstreams.layer),
      Layer.provideMerge(callers),
      Layer.provide([Health.layer, NodeHttpClient.layerUndici, tracer]),
      Layer.provide(settings({
        USER_URL: first,
        PRODUCT_URL: urls.join(", "),
        ORDER_URL: `${first}/`,
        // Nobody listens there.
        PAYMENT_URL: "http://127.0.0.1:9",
        ...env
      }))
    )
  })).pipe(Layer.provideMerge(Upstream.layer), Layer.provide(Logger.layer([])))

export const portOf = Effect.map(HttpServer.HttpServer, ({ address }) => "port" in address ? address.port : 0)

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly body: any
}

export const call = Effect.fnUntraced(function*(path: string, init: RequestInit = {}) {
  const port = yield* portOf
  return yield* Effect.promise(async (): Promise<Answer> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { redirect: "manual", ...init })
    const text = await response.text()
    const isJson = /json/.test(response.headers.get("content-type") ?? "") && text !== ""
    return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : undefined }
  })
})

/** Sends bytes and reads until the server closes the connection. */
export const raw = Effect.fnUntraced(function*(...lines: ReadonlyArray<string>) {
  const port = yield* portOf
  return yield* Effect.callback<string>((resume) => {
    let answer = ""
    const socket = connect(port, "127.0.0.1", () => socket.write(lines.join("\r\n")))
    socket.on("data", (chunk) => {
      answer += chunk.toString()
    })
    socket.on("error", () => {})
    socket.on("close", () => resume(Effect.succeed(answer)))
    return Effect.sync(() => socket.destroy())
  })
})

/** `Authorization` of a member who is logged in. */
export const authorization = (session: SessionId = sessionId) =>
  Effect.map(TokenSigner.use((signer) => signer.sign({ memberId, sessionId: session })), (token) => ({
    authorization: `Bearer ${token}`
  }))

/** What has arrived since. */
export const arrivals = Effect.map(Upstream, (upstream) => {
  upstream.answer = saying({ fine: true })
  return upstream.arrived.splice(0)
})

/** A problem document with this slug, under the trace that the answer names. */
export const assertProblem = (answer: Answer, status: number, slug: string) => {
  assert.strictEqual(answer.status, status)
  assert.strictEqual(answer.headers.get("content-type"), "application/problem+json")
  assert.containSubset(answer.body, { type: `/problems/${slug}`, status })
  assert.strictEqual(answer.body.traceId, answer.headers.get("x-trace-id"))
}
