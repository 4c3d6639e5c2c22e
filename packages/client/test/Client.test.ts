import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Ref } from "effect"
import { FetchHttpClient, HttpClient, HttpClientError, HttpClientResponse } from "effect/http"
import { Money } from "@marketplace/domain/Money"
import { Email } from "@marketplace/domain/User/Member"
import { VariantId } from "@marketplace/domain/Product/Ids"
import { OrderId } from "@marketplace/domain/Order/Ids"
import { OrderUnknown, OrderView, TotalDiffers } from "@marketplace/schema/Order/HttpApi"
import { Unauthenticated } from "@marketplace/schema/Problems"
import { IdempotencyKey } from "@marketplace/schema/Requests"
import { SessionView, WrongCredentials } from "@marketplace/schema/User/HttpApi"
import * as Client from "../src/Client.ts"
import * as PromiseClient from "../src/PromiseClient.ts"
import { memberId, orderId, serve } from "./Server.ts"

const email = Email.make("buyer@example.com")
const other = OrderId.make("01941f29-7c00-7000-8000-000000000006")
const place = (key: string, amount = 15_900) => ({
  headers: { "idempotency-key": IdempotencyKey.make(key) },
  payload: {
    lines: [{ variantId: VariantId.make("01941f29-7c00-7000-8000-000000000004"), quantity: 1 }],
    expectedTotal: new Money({ amount, currency: "KRW" })
  }
})

describe("the client for Effect", () => {
  const test = (name: string, body: (client: Client.Client) => Effect.Effect<void, unknown>) =>
    it.live(name, () =>
      Effect.scoped(Effect.gen(function*() {
        yield* body(yield* Client.make(yield* serve))
      })).pipe(Effect.provide(FetchHttpClient.layer)))

  const logIn = Effect.fnUntraced(function*(client: Client.Client) {
    const session = yield* client.sessions.logIn({ payload: { email, password: Redacted.make("correct horse") } })
    yield* Ref.set(client.token, Redacted.make(session.accessToken))
    return session
  })

  test("sends the token of its log-in to guarded operations", (client) => Effect.gen(function*() {
    assert.instanceOf(yield* Effect.flip(client.members.me()), Unauthenticated)
    const session = yield* logIn(client)
    assert.instanceOf(session, SessionView)
    assert.strictEqual((yield* client.members.me()).id, memberId)
  }))

  test("gives answers as their classes and problems as errors", (client) => Effect.gen(function*() {
    const wrong = yield* Effect.flip(client.sessions.logIn({ payload: { email, password: Redacted.make("wrong") } }))
    assert.instanceOf(wrong, WrongCredentials)
    yield* logIn(client)
    const order = yield* client.orders.place(place("intent-1"))
    assert.instanceOf(order, OrderView)
    assert.deepStrictEqual([order.id, order.paymentDeadline.epochMilliseconds], [orderId, Date.parse("2025-01-01T00:30:00Z")])
    const differs = yield* Effect.flip(client.orders.place(place("intent-1", 1)))
    assert.instanceOf(differs, TotalDiffers)
    const caught = yield* client.orders.get({ params: { id: other } }).pipe(
      Effect.catchTag("OrderUnknown", ({ orderId }) => Effect.succeed(orderId))
    )
    assert.strictEqual(caught, other)
    assert.strictEqual((yield* client.orders.list({ query: { limit: 20 } })).nextCursor, "next")
  }))

  test("says the status of an answer that no contract knows", (client) => Effect.gen(function*() {
    yield* logIn(client)
    const error = yield* Effect.flip(client.orders.list({ query: { limit: 3 } }))
    assert.instanceOf(error, HttpClientError.HttpClientError)
    assert.strictEqual(error.response?.status, 429)
  }))

  it.effect("takes public reads from caches, unless it is told to have them fresh", () => Effect.gen(function*() {
    const asked: Array<string | undefined> = []
    const kept = { "cache-control": "public, max-age=10", etag: "\"1\"", age: "3" }
    const client = yield* Client.make("http://127.0.0.1").pipe(
      Effect.provideService(HttpClient.HttpClient, HttpClient.make((request) => {
        asked.push(request.headers["cache-control"])
        return Effect.succeed(HttpClientResponse.fromWeb(request, Response.json({ items: [], nextCursor: null }, { headers: kept })))
      }))
    )
    const browse = client.products.list({ query: { limit: 20 } })
    assert.deepStrictEqual(yield* browse, { items: [], nextCursor: null })
    assert.deepStrictEqual(yield* Client.fresh(browse), { items: [], nextCursor: null })
    assert.deepStrictEqual(asked, [undefined, "no-cache"])
  }))
})

describe("the client for promises", () => {
  const test = (name: string, body: (client: PromiseClient.PromiseClient) => Promise<void>) =>
    it.live(name, () => Effect.scoped(Effect.flatMap(serve, (url) => Effect.promise(() => body(PromiseClient.make(url))))))

  const refused = (promise: Promise<unknown>) => promise.then(() => assert.fail("it was not refused"), (error: unknown) => error)

  test("logs in and out", async (client) => {
    assert.instanceOf(await refused(client.members.me()), Unauthenticated)
    const session = await client.logIn("buyer@example.com", "correct horse")
    assert.strictEqual(session.memberId, memberId)
    const { purchases } = await client.members.me()
    assert.strictEqual(purchases, 3)
    await client.logOut()
    assert.instanceOf(await refused(client.members.me()), Unauthenticated)
  })

  test("resolves to classes and rejects with problems", async (client) => {
    assert.instanceOf(await refused(client.logIn("buyer@example.com", "wrong")), WrongCredentials)
    await client.logIn("buyer@example.com", "correct horse")
    const order = await client.orders.place(place("intent-1"))
    assert.instanceOf(order, OrderView)
    const { items } = await client.orders.list({ query: { limit: 20 } })
    assert.deepStrictEqual(items, [order])
    const unknown = await refused(client.orders.get({ params: { id: other } }))
    assert.deepInclude(unknown, { _tag: "OrderUnknown", orderId: other })
    assert.instanceOf(unknown, OrderUnknown)
    const differs = await refused(client.orders.place(place("intent-2")))
    assert.instanceOf(differs, TotalDiffers)
  })

  test("stops waiting when it is told to", async (client) => {
    await client.logIn("buyer@example.com", "correct horse")
    const stop = new AbortController()
    const waiting = refused(client.orders.timeline({ params: { id: orderId } }, { signal: stop.signal }))
    stop.abort()
    assert.instanceOf(await waiting, Error)
  })

  it("rejects when nobody is there", async () => {
    const client = PromiseClient.make("http://127.0.0.1:9")
    assert.instanceOf(await refused(client.products.list({ query: { limit: 20 } })), HttpClientError.HttpClientError)
  })
})
