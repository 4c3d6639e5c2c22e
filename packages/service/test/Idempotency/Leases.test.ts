import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { SqlClient } from "effect/sql"
import { OrderId } from "@marketplace/domain/Order/Ids"
import * as Write from "@marketplace/postgres/Write"
import { Unavailable } from "@marketplace/schema/Problems"
import { request as nodeRequest } from "node:http"
import { type Attempt, Idempotency } from "../../src/Idempotency.ts"
import { inSteps, isReplayed, leaseRunsOut, making, NotMade, port, send, things, Workshop, World } from "./Workshop.ts"

layer(World, { excludeTestServices: true })("a request whose work is interrupted", (it) => {
  it.effect("that stopped half-way goes on with the same resource at once", () => Effect.gen(function*() {
    const attempts: Array<Attempt<OrderId>> = []
    yield* inSteps("lamp", (attempt) =>
      Effect.suspend(() => attempts.push(attempt) === 1 ? Effect.fail(new Unavailable({ retryAfterSeconds: 1 })) : Effect.void))
    assert.strictEqual((yield* send("lamp", { key: "k6" })).status, 503)
    const done = yield* send("lamp", { key: "k6" })
    assert.deepStrictEqual([done.status, isReplayed(done)], [201, false])
    assert.deepStrictEqual(attempts.map(({ resumed }) => resumed), [false, true])
    assert.deepStrictEqual<unknown>(yield* things("lamp"), [{ id: done.body.id, done: true }])
    assert.isTrue(isReplayed(yield* send("lamp", { key: "k6" })))
  }))

  it.effect("whose worker died is taken over by one, when the lease has run out", () => Effect.gen(function*() {
    const entered = yield* Deferred.make<void>()
    const resumed: Array<string> = []
    const release = yield* Deferred.make<void>()
    // The first worker does not come back in time; nothing but its lease tells.
    const end = yield* Deferred.make<void>()
    yield* inSteps("door", (attempt) =>
      attempt.resumed
        ? Effect.andThen(Effect.sync(() => resumed.push(attempt.resourceId)), Deferred.await(release))
        : Effect.andThen(Deferred.succeed(entered, undefined), Deferred.await(end)))
    const dead = yield* Effect.forkChild(send("door", { key: "k7" }))
    yield* Deferred.await(entered)
    assert.strictEqual((yield* send("door", { key: "k7" })).status, 409)
    yield* leaseRunsOut("k7")
    const running = yield* Effect.forkChild(
      Effect.all(Array.from({ length: 20 }, () => send("door", { key: "k7" })), { concurrency: "unbounded" })
    )
    yield* Effect.repeat(Effect.delay(Effect.sync(() => resumed.length), "10 millis"), { until: (n) => n > 0, times: 500 })
    yield* Deferred.succeed(release, undefined)
    const answers = yield* Fiber.join(running)
    assert.strictEqual(resumed.length, 1)
    assert.isTrue(answers.every(({ status }) => status === 201 || status === 409))
    const [made] = yield* things("door")
    assert.deepStrictEqual(resumed, [made?.id])
    const answer = yield* send("door", { key: "k7" })
    assert.deepStrictEqual([answer.status, answer.body.id], [201, made?.id])
    // It comes back after all, and the answer stays.
    yield* Deferred.succeed(end, undefined)
    yield* Fiber.join(dead)
    assert.strictEqual((yield* send("door", { key: "k7" })).text, answer.text)
  }))

  it.effect("is answered by whoever finishes first: a sweeper, then the late worker finds it done", () => Effect.gen(function*() {
    const entered = yield* Deferred.make<OrderId>()
    const release = yield* Deferred.make<void>()
    yield* inSteps("window", (attempt) =>
      Effect.andThen(Deferred.succeed(entered, attempt.resourceId), Deferred.await(release)))
    const late = yield* Effect.forkChild(send("window", { key: "k8" }))
    const id = yield* Deferred.await(entered)
    const idempotency = yield* Idempotency
    const sql = yield* SqlClient.SqlClient
    yield* Write.run(sql, yield* idempotency.complete(making, id, new NotMade({ id, detail: "no wood" })))
    const told = yield* send("window", { key: "k8" })
    assert.deepStrictEqual([told.status, isReplayed(told)], [409, true])
    assert.deepStrictEqual([told.body.type, told.body.detail], ["/problems/not-made", "no wood"])
    assert.strictEqual(told.headers.get("content-type"), "application/problem+json")
    assert.strictEqual(told.body.instance, "/v1/shelves/top")
    yield* Deferred.succeed(release, undefined)
    yield* Fiber.join(late)
    assert.strictEqual((yield* send("window", { key: "k8" })).status, 409)
  }))

  it.effect("is finished although its client disconnects", () => Effect.gen(function*() {
    const entered = yield* Deferred.make<void>()
    const release = yield* Deferred.make<void>()
    yield* inSteps("roof", () => Effect.andThen(Deferred.succeed(entered, undefined), Deferred.await(release)))
    const client = nodeRequest({
      port: yield* port,
      path: "/v1/shelves/top",
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": "k9", "x-caller": "anna" }
    })
    client.on("error", () => {})
    client.end(JSON.stringify({ name: "roof" }))
    yield* Deferred.await(entered)
    client.destroy()
    assert.strictEqual((yield* send("roof", { key: "k9" })).status, 409)
    yield* Deferred.succeed(release, undefined)
    const answer = yield* Effect.repeat(Effect.delay(send("roof", { key: "k9" }), "10 millis"), {
      until: ({ status }) => status === 201,
      times: 300
    })
    assert.deepStrictEqual([answer.status, isReplayed(answer)], [201, true])
  }))

  it.effect("that failed does not free the lease of another attempt", () => Effect.gen(function*() {
    const entered = yield* Deferred.make<void>()
    let first = true
    // The first one is rolled back; before it ends, another one with the same key begins and holds the lease.
    const sql = yield* SqlClient.SqlClient
    const { insert, works } = yield* Workshop
    const rolledBack = yield* Deferred.make<void>()
    const goOn = yield* Deferred.make<void>()
    const end = yield* Deferred.make<void>()
    works.set("fence", (attempt) => {
      const step = Effect.andThen(Write.run(sql, attempt.begin()), insert(attempt.resourceId, "fence"))
      if (!first) {
        return sql.withTransaction(step).pipe(
          Effect.andThen(Deferred.succeed(entered, undefined)),
          Effect.andThen(Deferred.await(end)),
          Effect.andThen(Effect.die("enough")),
          Effect.catchTag("SqlError", Effect.die)
        )
      }
      first = false
      return Effect.andThen(step, Effect.fail(new Unavailable({ retryAfterSeconds: 1 }))).pipe(
        sql.withTransaction,
        Effect.catchTag("SqlError", Effect.die),
        Effect.tapError(() => Effect.andThen(Deferred.succeed(rolledBack, undefined), Deferred.await(goOn)))
      )
    })
    const loser = yield* Effect.forkChild(send("fence", { key: "k10" }))
    yield* Deferred.await(rolledBack)
    const winner = yield* Effect.forkChild(send("fence", { key: "k10" }))
    yield* Deferred.await(entered)
    yield* Deferred.succeed(goOn, undefined)
    assert.strictEqual((yield* Fiber.join(loser)).status, 503)
    assert.strictEqual((yield* send("fence", { key: "k10" })).status, 409)
    yield* Deferred.succeed(end, undefined)
    assert.strictEqual((yield* Fiber.join(winner)).status, 500)
  }))

  it.effect("goes on at once when its key was stored and nobody heard of it", () => Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const { finish, insert, works } = yield* Workshop
    works.set("echo", Effect.fnUntraced(function*(attempt) {
      if (!attempt.resumed) {
        yield* insert(attempt.resourceId, "echo", { ...attempt.begin(), made: Effect.die("the connection is lost") })
      }
      return yield* finish(attempt.resourceId).pipe(sql.withTransaction, Effect.catchTag("SqlError", Effect.die))
    }))
    assert.strictEqual((yield* send("echo", { key: "k15" })).status, 500)
    const done = yield* send("echo", { key: "k15" })
    assert.deepStrictEqual([done.status, isReplayed(done)], [201, false])
    assert.deepStrictEqual<unknown>(yield* things("echo"), [{ id: done.body.id, done: true }])
  }))
})
