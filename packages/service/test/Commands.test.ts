import { assert, describe, it } from "@effect/vitest"
import { Config, Context, Deferred, Effect, Exit, Fiber, Layer, Logger, Ref, Scope } from "effect"
import { HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { request as nodeRequest } from "node:http"
import { Commands } from "../src/Commands.ts"
import { Health } from "../src/Health.ts"
import * as Server from "../src/Server.ts"

/** Polls, as what is waited for happens in another fiber. */
const eventually = (holds: Effect.Effect<boolean>) =>
  Effect.repeat(Effect.delay(holds, "10 millis"), { until: (held) => held, times: 300 }).pipe(
    Effect.map((held) => assert.isTrue(held))
  )

class Label extends Context.Service<Label, string>()("Label") {}

describe("a client that disconnects in the middle", () => {
  for (const protectedBy of ["commands", "nothing"] as const) {
    it.live(`${protectedBy === "commands" ? "does not cut off a command" : "cuts off a handler (the danger is real)"}`, () =>
      Effect.gen(function*() {
        const entered = yield* Deferred.make<void>()
        const release = yield* Deferred.make<void>()
        const left = yield* Deferred.make<void>()
        const committed = yield* Ref.make(false)
        const confirm = Deferred.succeed(entered, undefined).pipe(
          Effect.andThen(Deferred.await(release)),
          Effect.andThen(Ref.set(committed, true)),
          Effect.as(HttpServerResponse.text("confirmed"))
        )
        const routes = HttpRouter.use(Effect.fnUntraced(function*(router) {
          const { run } = yield* Commands
          const handler = protectedBy === "commands" ? run(confirm) : confirm
          yield* router.add("POST", "/confirm", Effect.onInterrupt(handler, () => Deferred.succeed(left, undefined)))
        }))
        const context = yield* Layer.build(
          Server.serve(routes, { service: "test", port: Config.succeed(0) }).pipe(
            Layer.provide([Commands.layer, Health.layer, Logger.layer([])])
          )
        )
        const { address } = Context.get(context, HttpServer.HttpServer)
        if (!("port" in address)) return yield* Effect.die("no port")
        const client = nodeRequest({ port: address.port, path: "/confirm", method: "POST" })
        client.on("error", () => {})
        client.end()
        yield* Deferred.await(entered)
        client.destroy()
        yield* Effect.timeout(Deferred.await(left), "3 seconds")
        yield* Deferred.succeed(release, undefined)
        if (protectedBy === "commands") yield* eventually(Ref.get(committed))
        else {
          yield* Effect.sleep("100 millis")
          assert.isFalse(yield* Ref.get(committed))
        }
      }))
  }
})

/** Open until its layer is closed; a connection pool, say. */
class Tool extends Context.Service<Tool, { readonly isOpen: () => boolean }>()("Tool") {
  static readonly layer = Layer.effect(Tool, Effect.acquireRelease(
    Effect.sync(() => {
      let open = true
      return { isOpen: () => open, close: () => open = false }
    }),
    ({ close }) => Effect.sync(close)
  ))
}

describe("a service that stops", () => {
  for (const built of ["inside the routes", "around the server"] as const) {
    it.live(`lets commands end before what was built ${built} is closed`, () => Effect.gen(function*() {
      const entered = yield* Deferred.make<void>()
      const release = yield* Deferred.make<void>()
      const left = yield* Deferred.make<void>()
      const found = yield* Deferred.make<boolean>()
      const opened = yield* Deferred.make<Tool["Service"]>()
      const routes = HttpRouter.use(Effect.fnUntraced(function*(router) {
        const { run } = yield* Commands
        const tool = yield* Tool
        yield* Deferred.succeed(opened, tool)
        const work = Deferred.succeed(entered, undefined).pipe(
          Effect.andThen(Deferred.await(release)),
          Effect.andThen(Effect.suspend(() => Deferred.succeed(found, tool.isOpen()))),
          Effect.as(HttpServerResponse.text("done"))
        )
        yield* router.add("POST", "/work", Effect.onInterrupt(run(work), () => Deferred.succeed(left, undefined)))
      }))
      const inside = built === "inside the routes"
      const options = { service: "test", port: Config.succeed(0), limits: { shutdownTimeout: 100 } }
      const server = inside
        ? Server.serve(Layer.provide(routes, Tool.layer), options)
        : Layer.provide(Server.serve(routes, options), Tool.layer)
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(Layer.provide(server, [Commands.layer, Health.layer, Logger.layer([])]), scope)
      const { address } = Context.get(context, HttpServer.HttpServer)
      if (!("port" in address)) return yield* Effect.die("no port")
      const client = nodeRequest({ port: address.port, path: "/work", method: "POST" })
      client.on("error", () => {})
      client.end()
      yield* Deferred.await(entered)
      const stopping = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      // The server has cut the handler: only the command is left, and nothing else may go.
      yield* Deferred.await(left)
      const { isOpen } = yield* Deferred.await(opened)
      yield* Effect.repeat(Effect.delay(Effect.sync(isOpen), "5 millis"), { until: (open) => !open, times: 20 })
      yield* Deferred.succeed(release, undefined)
      assert.isTrue(yield* Deferred.await(found))
      yield* Fiber.join(stopping)
      assert.isFalse(isOpen())
    }))
  }
})

/** `Commands` whose service is stopped by closing the scope. */
const service = (loggers: ReadonlyArray<Logger.Logger<unknown, unknown>> = []) =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(Layer.provide(Commands.layer, Logger.layer(loggers)), scope)
    return { run: Context.get(context, Commands).run, stop: Scope.close(scope, Exit.void) }
  })

describe("a command", () => {
  it.effect("gives its result, failures and defects included", () => Effect.gen(function*() {
    const { run } = yield* service()
    assert.strictEqual(yield* run(Effect.succeed(1)), 1)
    assert.strictEqual(yield* Effect.flip(run(Effect.fail("no"))), "no")
    assert.isTrue(Exit.hasDies(yield* Effect.exit(run(Effect.die("bug")))))
  }))

  it.effect("works with the caller's services and in the caller's span", () => Effect.gen(function*() {
    const { run } = yield* service()
    const seen = yield* run(Effect.all([Label, Effect.map(Effect.currentSpan, (span) => span.name)])).pipe(
      Effect.withSpan("POST /orders"),
      Effect.provideService(Label, "mine")
    )
    assert.deepStrictEqual(seen, ["mine", "POST /orders"])
  }))

  it.effect("keeps what it has opened until its end, not its caller's", () => Effect.gen(function*() {
    const { run } = yield* service()
    const release = yield* Deferred.make<void>()
    const found = yield* Deferred.make<boolean>()
    let open = false
    const command = Effect.acquireRelease(Effect.sync(() => open = true), () => Effect.sync(() => open = false)).pipe(
      Effect.andThen(Deferred.await(release)),
      Effect.andThen(Effect.suspend(() => Deferred.succeed(found, open)))
    )
    const caller = yield* Effect.forkChild(Effect.scoped(run(command)), { startImmediately: true })
    yield* Fiber.interrupt(caller)
    yield* Deferred.succeed(release, undefined)
    assert.isTrue(yield* Deferred.await(found))
    yield* TestClock.adjust("1 second")
    assert.isFalse(open)
  }))

  it.effect("that fails after its caller has gone is logged", () => Effect.gen(function*() {
    const logged: Array<string> = []
    const logger = Logger.make(({ cause, message }) => {
      logged.push(`${message} ${cause.reasons.map(String).join()}`)
    })
    const { run } = yield* service()
    const release = yield* Deferred.make<void>()
    const caller = yield* Effect.forkChild(run(Effect.andThen(Deferred.await(release), Effect.die("too late"))).pipe(
      Effect.provide(Logger.layer([logger]))
    ), { startImmediately: true })
    yield* Fiber.interrupt(caller)
    assert.deepStrictEqual(logged, [])
    yield* Deferred.succeed(release, undefined)
    yield* TestClock.adjust("1 second")
    assert.strictEqual(logged.length, 1)
    assert.include(logged[0], "too late")
  }))

  it.effect("keeps its service from stopping, for ten seconds", () => Effect.gen(function*() {
    for (const ends of [true, false]) {
      const { run, stop } = yield* service()
      const release = yield* Deferred.make<void>()
      const fate = yield* Ref.make("running")
      const command = Effect.andThen(Deferred.await(release), Ref.set(fate, "done")).pipe(
        Effect.onInterrupt(() => Ref.set(fate, "cut"))
      )
      yield* Effect.forkChild(run(command), { startImmediately: true })
      const stopping = yield* Effect.forkChild(stop, { startImmediately: true })
      yield* TestClock.adjust("9 seconds")
      assert.isUndefined(stopping.pollUnsafe())
      if (ends) yield* Deferred.succeed(release, undefined)
      else yield* TestClock.adjust("1 second")
      yield* Fiber.join(stopping)
      assert.strictEqual(yield* Ref.get(fate), ends ? "done" : "cut")
    }
  }))
})
