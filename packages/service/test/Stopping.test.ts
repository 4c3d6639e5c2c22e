import { assert, describe, it } from "@effect/vitest"
import { Config, Context, Deferred, Effect, Exit, Fiber, Layer, Logger, Scope } from "effect"
import { HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import { Agent, request as nodeRequest } from "node:http"
import * as Net from "node:net"
import { Health } from "../src/Health.ts"
import * as Server from "../src/Server.ts"

/** A service whose one operation waits to be let go; stopped by closing the scope. */
const start = Effect.fnUntraced(function*(shutdownTimeout: number) {
  const entered = yield* Deferred.make<void>()
  const release = yield* Deferred.make<void>()
  const routes = HttpRouter.add("GET", "/slow", Effect.gen(function*() {
    yield* Deferred.succeed(entered, undefined)
    yield* Deferred.await(release)
    return HttpServerResponse.text("done")
  }))
  const scope = yield* Scope.make()
  const context = yield* Server.serve(routes, { service: "slow", port: Config.succeed(0), limits: { shutdownTimeout } }).pipe(
    Layer.provideMerge(Health.layer),
    Layer.provide(Logger.layer([])),
    Layer.buildWithScope(scope)
  )
  const { address } = Context.get(context, HttpServer.HttpServer)
  if (!("port" in address)) return yield* Effect.die("no port")
  return { entered, release, port: address.port, health: Context.get(context, Health), stop: Scope.close(scope, Exit.void) }
})

const get = (port: number, path: string, agent = new Agent({ keepAlive: true })) =>
  Effect.callback<{ readonly status: number; readonly text: string } | "refused">((resume) => {
    const client = nodeRequest({ port, path, agent }, (response) => {
      let text = ""
      response.on("data", (chunk) => text += chunk)
      response.on("end", () => resume(Effect.succeed({ status: response.statusCode ?? 0, text })))
    })
    client.on("error", () => resume(Effect.succeed("refused")))
    client.end()
  })

/** A connection on which no more is sent. */
const connect = (port: number, text: string) =>
  Effect.callback<Net.Socket>((resume) => {
    const socket = Net.connect(port, "127.0.0.1", () => socket.write(text, () => resume(Effect.succeed(socket))))
    socket.on("error", () => {}).resume()
  })

/** Polls, as what is waited for happens in another fiber. */
const eventually = <A>(read: Effect.Effect<A>, holds: (value: A) => boolean) =>
  Effect.repeat(Effect.delay(read, "10 millis"), { until: holds, times: 300 }).pipe(
    Effect.map((value) => assert.isTrue(holds(value)))
  )

describe("a service that stops", () => {
  it.live("is not ready first, refuses who comes, and answers who is there", () => Effect.gen(function*() {
    const { entered, health, port, release, stop } = yield* start(10_000)
    const inFlight = yield* Effect.forkChild(get(port, "/slow"))
    yield* Deferred.await(entered)
    const stopping = yield* Effect.forkChild(stop)
    yield* eventually(health.report, ({ ready }) => !ready)
    yield* eventually(get(port, "/health/live"), (answer) => answer === "refused")
    assert.isUndefined(stopping.pollUnsafe())
    yield* Deferred.succeed(release, undefined)
    assert.deepStrictEqual(yield* Fiber.join(inFlight), { status: 200, text: "done" })
    yield* Effect.timeout(Fiber.join(stopping), "3 seconds")
  }))

  it.live("does not wait for connections that are idle", () => Effect.gen(function*() {
    const { port, stop } = yield* start(10_000)
    const agent = new Agent({ keepAlive: true })
    assert.deepStrictEqual(yield* get(port, "/health/live", agent), { status: 200, text: "{\"live\":true}" })
    yield* Effect.timeout(stop, "3 seconds")
    agent.destroy()
  }))

  it.live("cuts what does not end in time", () => Effect.gen(function*() {
    const { entered, port, stop } = yield* start(200)
    const inFlight = yield* Effect.forkChild(get(port, "/slow"))
    yield* Deferred.await(entered)
    const silent = yield* connect(port, "")
    const halfHead = yield* connect(port, "GET / HTTP/1.1\r\n")
    const halfBody = yield* connect(port, "POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc")
    yield* Effect.timeout(stop, "5 seconds")
    const answer = yield* Fiber.join(inFlight)
    assert.isTrue(answer === "refused" || answer.status === 503)
    for (const socket of [silent, halfHead, halfBody]) yield* eventually(Effect.sync(() => socket.closed), (closed) => closed)
  }))
})

describe("nextFreePort", () => {
  it.live("passes over ports in use", () => Effect.gen(function*() {
    const taken = Net.createServer()
    const port = yield* Effect.promise(() =>
      new Promise<number>((resolve) => taken.listen(0, "127.0.0.1", () => resolve((taken.address() as Net.AddressInfo).port))))
    const next = yield* Server.nextFreePort("127.0.0.1", port)
    assert.isAbove(next, port)
    taken.close()
  }))
})
