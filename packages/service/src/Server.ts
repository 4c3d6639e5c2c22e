import { ByteSize, Config, Context, Effect, Layer, Option } from "effect"
import { HttpIncomingMessage, HttpMiddleware, HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { createServer, type ServerResponse } from "node:http"
import * as Net from "node:net"
import type { Duplex } from "node:stream"
import * as AllowedMethods from "./AllowedMethods.ts"
import { Commands } from "./Commands.ts"
import * as Health from "./Health.ts"
import * as ProblemResponses from "./ProblemResponses.ts"
import { ofStatus } from "./ProblemTitles.ts"

/** What one connection may cost. Times in milliseconds, sizes in bytes. */
export interface Limits {
  /** From the first byte of a request to the end of its headers. */
  readonly headersTimeout: number
  /** From the first byte of a request to the end of its body; says nothing about the answer. */
  readonly requestTimeout: number
  /** Between requests; longer than the 60 s of usual load balancers, which otherwise meet connections that just closed. */
  readonly keepAliveTimeout: number
  /** Without a byte in either direction. Streams send something more often. */
  readonly socketTimeout: number
  readonly maxHeaderSize: number
  readonly maxHeadersCount: number
  /** Further ones are closed at once. */
  readonly maxConnections: number
  /** How long requests under way may go on after the server was told to stop. */
  readonly shutdownTimeout: number
}

export const limits: Limits = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 65_000,
  socketTimeout: 120_000,
  maxHeaderSize: 16 * 1024,
  maxHeadersCount: 100,
  maxConnections: 4096,
  shutdownTimeout: 10_000
}

export interface RouteOptions {
  /** In bytes; larger bodies are refused with 413. 64 KiB if left out. A route may allow itself more (`MaxBodySize`). */
  readonly maxBodySize?: number
}

/**
 * What the routes of every service have in common, on a socket (`serve`) and in memory (`inMemory`): failures are problem
 * documents, bodies have a greatest size, browsers do not guess types, and nothing is stored on the way unless the operation
 * said so. When they are closed, the `Commands` around them come to their end first.
 */
export const serviceRoutes = <A, E, R>(routes: Layer.Layer<A, E, R>, options: RouteOptions = {}) =>
  Layer.unwrap(Effect.sync(() => {
    const allowed = AllowedMethods.make()
    const maxBodySize = ByteSize.bytes(options.maxBodySize ?? 64 * 1024)
    const common = HttpRouter.middleware((app) =>
      app.pipe(
        Effect.provideService(HttpIncomingMessage.MaxBodySize, maxBodySize),
        ProblemResponses.complete(allowed),
        Effect.map(protect)
      ), { global: true })
    // What is built first is outermost and closed last: the common middleware is around the routes' own, and commands come
    // to their end before the routes and all that they use are closed.
    return endCommands.pipe(
      Layer.provideMerge(Layer.provide(routes, allowed.layer)),
      Layer.provideMerge(common)
    )
  }))

const endCommands = Layer.effectDiscard(Effect.flatMap(Effect.serviceOption(Commands), (commands) =>
  Option.isSome(commands) ? Effect.addFinalizer(() => commands.value.stop) : Effect.void))

const protect = (response: HttpServerResponse.HttpServerResponse) =>
  response.headers["x-content-type-options"] === undefined
    ? HttpServerResponse.setHeaders(response, {
      "x-content-type-options": "nosniff",
      "cache-control": response.headers["cache-control"] ?? "no-store"
    })
    : response

/**
 * Routes as one effect that answers the request in its context: how a gateway reaches a service in the same process. Nothing
 * is read from or written to a socket on the way, everything else is as behind `serve`. Routes stop when the scope is closed.
 */
export const inMemory = <E, R>(routes: Layer.Layer<never, E, R>, options: RouteOptions = {}) =>
  // Effect would hand out a router that is being built around this one.
  Layer.build(Layer.provideMerge(serviceRoutes(routes, options), Layer.fresh(HttpRouter.layer))).pipe(
    Effect.map((context) => Effect.orDie(Context.get(context, HttpRouter.HttpRouter).asHttpEffect()))
  )

export interface Options extends RouteOptions {
  /** Names the server in the log. */
  readonly service: string
  /** 0 takes any free port. */
  readonly port: Config.Config<number>
  /** `127.0.0.1` if left out: a container says that it wants to be reached. */
  readonly host?: Config.Config<string>
  readonly limits?: Partial<Limits>
}

/**
 * Serves routes and `/health/…` on a socket. When the layer is closed, readiness goes first, then no connection is
 * accepted, requests under way and then commands have ten seconds each to end, and what is left is cut.
 */
export const serve = <A, E, R>(routes: Layer.Layer<A, E, R>, options: Options) =>
  // Only the server comes out: a router that leaked would take up the routes of the next one in the same process.
  Layer.effect(HttpServer.HttpServer, Effect.map(Layer.build(served(routes, options)), Context.get(HttpServer.HttpServer)))

const served = <A, E, R>(routes: Layer.Layer<A, E, R>, options: Options) =>
  announce(options.service).pipe(
    Layer.provideMerge(HttpRouter.serve(serviceRoutes(Layer.merge(routes, Health.routes), options), {
      disableLogger: true,
      disableListenLog: true
    })),
    Layer.provide(Layer.succeed(HttpMiddleware.TracerDisabledWhen, ({ url }) => url.startsWith("/health/"))),
    Layer.provideMerge(Layer.merge(listen(options), NodeHttpServer.layerHttpServices))
  )

/** The last to be built is the first to be closed. */
const announce = (service: string) =>
  Layer.effectDiscard(Effect.gen(function*() {
    const health = yield* Health.Health
    yield* HttpServer.addressFormattedWith((address) => Effect.logInfo(`${service} listens on ${address}`))
    yield* Effect.addFinalizer(() => health.stop)
  }))

const listen = (options: Options) =>
  Layer.effect(HttpServer.HttpServer, Effect.gen(function*() {
    const own = { ...limits, ...options.limits }
    const server = createServer({
      headersTimeout: own.headersTimeout,
      requestTimeout: own.requestTimeout,
      keepAliveTimeout: own.keepAliveTimeout,
      maxHeaderSize: own.maxHeaderSize,
      // How often the time-outs of requests are looked at.
      connectionsCheckingInterval: Math.min(1000, own.headersTimeout)
    })
    server.maxConnections = own.maxConnections
    server.maxHeadersCount = own.maxHeadersCount
    server.timeout = own.socketTimeout
    const answers = new WeakMap<Duplex, ServerResponse>()
    server.on("request", ({ socket }, response) => {
      answers.set(socket, response)
      // Node closes connections that are idle when it stops; one that becomes idle afterwards would keep it from ending.
      response.once("finish", () => {
        if (!server.listening) setImmediate(() => server.closeIdleConnections())
      })
    })
    server.on("clientError", (error, socket) => refuse(error, socket, answers.get(socket)))
    const served = yield* NodeHttpServer.make(() => server, {
      port: yield* options.port,
      host: yield* options.host ?? Config.succeed("127.0.0.1"),
      gracefulShutdownTimeout: own.shutdownTimeout
    })
    // A closed server no longer watches its time-outs: who sends nothing more would keep it from ending.
    yield* Effect.addFinalizer(() => Effect.sync(() => server.closeAllConnections()))
    return served
  }))

const statusByCode: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408
}

/** Answers what never became a request: it cannot be parsed, is too large or does not end. */
const refuse = (error: Error & { readonly code?: string }, socket: Duplex, answer: ServerResponse | undefined) => {
  const started = answer !== undefined && answer.headersSent && !answer.writableFinished
  if (!socket.writable || started) return socket.destroy()
  const status = statusByCode[error.code ?? ""] ?? 400
  const body = JSON.stringify({ ...ofStatus(status), status })
  socket.end([
    `HTTP/1.1 ${status} `,
    "content-type: application/problem+json",
    `content-length: ${Buffer.byteLength(body)}`,
    "cache-control: no-store",
    "x-content-type-options: nosniff",
    "connection: close",
    "",
    body
  ].join("\r\n"))
  // Destroyed at once, the answer would be lost with what the peer is still sending.
  setTimeout(() => socket.destroy(), 500).unref()
}

/**
 * The first port from `from` on that nobody listens on. Somebody else may take it before it is used: for a command that
 * would rather start on another port than not at all.
 */
export const nextFreePort = (host: string, from: number): Effect.Effect<number> =>
  Effect.callback<number>((resume) => {
    const tryPort = (port: number) => {
      const probe = Net.createServer()
      probe.once("error", (error: NodeJS.ErrnoException) =>
        (error.code === "EADDRINUSE" || error.code === "EACCES") && port < 65_535
          ? tryPort(port + 1)
          : resume(Effect.die(error)))
      probe.listen({ host, port, exclusive: true }, () => probe.close(() => resume(Effect.succeed(port))))
    }
    tryPort(from)
  })
