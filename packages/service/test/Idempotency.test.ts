import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Tracer } from "effect"
import { SqlClient } from "effect/sql"
import { OrderId } from "@marketplace/domain/Order/Ids"
import * as Write from "@marketplace/postgres/Write"
import { Unavailable } from "@marketplace/schema/Problems"
import { Idempotency } from "../src/Idempotency.ts"
import * as Stored from "../src/Idempotency/Stored.ts"
import {
  count, inOneStatement, inOneTransaction, inSteps, isReplayed, making, records, send, things, Workshop, World
} from "./Idempotency/Workshop.ts"

layer(World, { excludeTestServices: true })("a request with an idempotency key", (it) => {
  it.effect("is answered the same to the byte when it is sent again", () => Effect.gen(function*() {
    yield* inOneTransaction("cup")
    const body = JSON.stringify({ name: "cup", size: { w: 1, h: 2 } })
    const first = yield* send("cup", { key: "k1", body })
    assert.deepStrictEqual([first.status, isReplayed(first)], [201, false])
    const [made] = yield* things("cup")
    assert.strictEqual(first.body.id, made?.id)
    for (const again of [body, " { \"size\": {\"h\":2, \"w\":1},\n\"name\": \"cup\" }"]) {
      const answer = yield* send("cup", { key: "k1", body: again })
      assert.deepStrictEqual([answer.status, isReplayed(answer), answer.text], [201, true, first.text])
      assert.strictEqual(answer.headers.get("content-type"), first.headers.get("content-type"))
    }
    assert.strictEqual((yield* things("cup")).length, 1)
  }))

  it.effect("is answered as before, or gone on with, although it could not begin any more", () => Effect.gen(function*() {
    const { works } = yield* Workshop
    const closed = new Unavailable({ retryAfterSeconds: 7 })
    const closing = (name: string) => Effect.sync(() => {
      const open = works.get(name)!
      works.set(name, (attempt) => attempt.resumed ? open(attempt) : Effect.fail(closed))
    })
    yield* inOneTransaction("vase")
    const first = yield* send("vase", { key: "k12" })
    yield* closing("vase")
    const again = yield* send("vase", { key: "k12" })
    assert.deepStrictEqual([again.status, isReplayed(again), again.text], [201, true, first.text])
    assert.strictEqual((yield* send("vase", { key: "k12", shelf: "bottom" })).status, 422)
    assert.strictEqual((yield* send("vase", { key: "k13" })).status, 503)

    let broken = true
    yield* inSteps("chair", () => Effect.suspend(() => broken ? Effect.fail(closed) : Effect.void))
    assert.strictEqual((yield* send("chair", { key: "k14" })).status, 503)
    broken = false
    yield* closing("chair")
    const done = yield* send("chair", { key: "k14" })
    assert.deepStrictEqual([done.status, isReplayed(done)], [201, false])
    assert.deepStrictEqual<unknown>(yield* things("chair"), [{ id: done.body.id, done: true }])
  }))

  it.effect("is its caller's alone", () => Effect.gen(function*() {
    yield* inOneTransaction("plate")
    const anna = yield* send("plate", { key: "shared" })
    const ben = yield* send("plate", { key: "shared", caller: "ben" })
    assert.deepStrictEqual([anna.status, ben.status, isReplayed(ben)], [201, 201, false])
    assert.notStrictEqual(anna.body.id, ben.body.id)
  }))

  it.effect("is found among others that are looked for at the same time, known or not, in one statement", () => Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* inOneTransaction("bowl")
    const made = yield* Effect.forEach(["many-1", "many-2", "many-3"], (key) => send("bowl", { key }))
    const spans: Array<string> = []
    const tracer = yield* Tracer.Tracer
    const noting = Tracer.make({
      ...tracer,
      span: (options) => {
        spans.push(options.name)
        return tracer.span(options)
      }
    })
    const find = Stored.make(sql)
    const found = yield* Effect.forEach(["many-2", "nobody's", "many-1", "many-2", "many-3"], (key) =>
      find({ caller: "anna", route: making.route, key }), { concurrency: "unbounded" }).pipe(Effect.withTracer(noting))
    assert.deepStrictEqual(
      found.map((row) => row?.body),
      [made[1]?.text, undefined, made[0]?.text, made[1]?.text, made[2]?.text]
    )
    assert.strictEqual(spans.length, 1)
  }))

  it.effect("may not ask for something else under the same key", () => Effect.gen(function*() {
    yield* inOneTransaction("fork")
    yield* send("fork", { key: "k2" })
    for (const other of [{ body: JSON.stringify({ name: "fork", size: { w: 1, h: 1 } }) }, { shelf: "bottom" }]) {
      const answer = yield* send("fork", { key: "k2", ...other })
      assert.deepStrictEqual([answer.status, answer.body.type], [422, "/problems/idempotency-key-reused"])
    }
    assert.strictEqual((yield* things("fork")).length, 1)
  }))

  for (const [name, prepare] of [["race", inOneTransaction], ["dash", inOneStatement]] as const) {
    it.effect(`takes effect once, however many arrive together: ${prepare.name}`, () => Effect.gen(function*() {
      yield* prepare(name)
      const answers = yield* Effect.all(Array.from({ length: 50 }, () => send(name, { key: `k3-${name}` })), {
        concurrency: "unbounded"
      })
      assert.strictEqual((yield* things(name)).length, 1)
      assert.strictEqual(count(answers, 201), 50)
      assert.strictEqual(answers.filter((answer) => !isReplayed(answer)).length, 1)
      assert.strictEqual(new Set(answers.map(({ text }) => text)).size, 1)
    }))
  }

  it.effect("begins once, however many begin together", () => Effect.gen(function*() {
    const release = yield* Deferred.make<void>()
    const begun: Array<string> = []
    let refused = 0
    yield* inSteps("crowd", (attempt) =>
      Effect.andThen(Effect.sync(() => begun.push(attempt.resourceId)), Deferred.await(release)))
    const running = yield* Effect.forkChild(Effect.all(
      Array.from({ length: 50 }, () => Effect.tap(send("crowd", { key: "k4" }), (answer) =>
        // Whoever is refused has seen the winner's commit: the winner may go on once all others are done.
        answer.status === 409 ? Effect.sync(() => refused++) : Effect.void)),
      { concurrency: "unbounded" }
    ))
    yield* Effect.repeat(Effect.delay(Effect.sync(() => refused), "10 millis"), { until: (n) => n === 49, times: 500 })
    assert.deepStrictEqual([refused, begun.length], [49, 1])
    yield* Deferred.succeed(release, undefined)
    const answers = yield* Fiber.join(running)
    assert.deepStrictEqual([count(answers, 201), count(answers, 409)], [1, 49])
    const inFlight = answers.find(({ status }) => status === 409)
    assert.deepStrictEqual([inFlight?.body.type, inFlight?.headers.get("retry-after")], ["/problems/request-in-flight", "1"])
    assert.strictEqual((yield* things("crowd")).length, 1)
  }))

  it.effect("leaves nothing when its transaction is rolled back, and may be sent again", () => Effect.gen(function*() {
    let refuse = true
    yield* inOneTransaction("pot", Effect.suspend(() =>
      refuse ? Effect.fail(new Unavailable({ retryAfterSeconds: 3 })) : Effect.void))
    const refused = yield* send("pot", { key: "k5" })
    assert.deepStrictEqual([refused.status, refused.headers.get("retry-after")], [503, "3"])
    assert.deepStrictEqual([yield* things("pot"), yield* records("k5")], [[], []])
    refuse = false
    const made = yield* send("pot", { key: "k5" })
    assert.deepStrictEqual([made.status, isReplayed(made)], [201, false])
  }))

  it.effect("starts anew once it was forgotten, but not once it was answered", () => Effect.gen(function*() {
    const idempotency = yield* Idempotency
    const sql = yield* SqlClient.SqlClient
    const ids: Array<OrderId> = []
    const undo = (id: OrderId) =>
      Effect.andThen(Effect.orDie(Write.run(sql, idempotency.forget(making, id))), Effect.fail(new Unavailable({ retryAfterSeconds: 1 })))
    yield* inSteps("tent", ({ resourceId }) => Effect.suspend(() => ids.push(resourceId) === 1 ? undo(resourceId) : Effect.void))
    assert.strictEqual((yield* send("tent", { key: "k11" })).status, 503)
    assert.deepStrictEqual(yield* records("k11"), [])
    const made = yield* send("tent", { key: "k11" })
    assert.deepStrictEqual([made.status, made.body.id], [201, ids[1]])
    yield* Write.run(sql, idempotency.forget(making, ids[1]!))
    assert.isTrue(isReplayed(yield* send("tent", { key: "k11" })))
  }))

  it.effect("stores no refusal that may be another one tomorrow", () => Effect.gen(function*() {
    const idempotency = yield* Idempotency
    const id = OrderId.make("01890a5d-ac96-774b-bcce-b302099a8057")
    // @ts-expect-error a 503 is not final
    const stored = idempotency.complete(making, id, new Unavailable({ retryAfterSeconds: 1 }))
    assert.isTrue(Effect.isEffect(stored))
  }))

  it.effect("needs a key that can be one", () => Effect.gen(function*() {
    const answer = yield* send("cup", { key: "x".repeat(256) })
    assert.deepStrictEqual([answer.status, answer.body.errors?.[0]?.pointer], [400, "/idempotency-key"])
  }))

  it.effect("is forgotten after a day, some at a time", () => Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const idempotency = yield* Idempotency
    yield* inOneTransaction("old")
    for (const key of ["o1", "o2", "o3", "o4"]) yield* send("old", { key })
    yield* sql`update idempotency set created_at = now() - interval '24 hours 1 second' where key in ('o1', 'o2', 'o3')`
    assert.deepStrictEqual([yield* idempotency.prune(2), yield* idempotency.prune(2), yield* idempotency.prune(2)], [2, 1, 0])
    assert.strictEqual((yield* records("o4")).length, 1)
    assert.isFalse(isReplayed(yield* send("old", { key: "o1" })))
  }))
})
