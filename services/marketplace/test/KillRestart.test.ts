import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Layer, Random, Ref, Schedule } from "effect"
import { HttpClientError } from "effect/http"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { RequestInFlight, Unavailable } from "@marketplace/schema/Problems"
import { members } from "../src/Seed/Data.ts"
import { Installation } from "./purchase/Installation.ts"
import { type Buyer, logIn, Place } from "./purchase/Place.ts"
import {
  approve, approvedFor, confirm, eventually, type Fault, moved, newKey, type Offer, orderIs, paymentIs, place, startToPay
} from "./purchase/Shopping.ts"

const World = Installation.layer.pipe(
  Layer.provideMerge([NodeServices.layer, NodeCrypto.layerSecureRandom, NodeHttpClient.layerNodeHttp])
)

/** The marketplace runs, and a member is logged in; tokens outlive it. */
const open = Effect.fnUntraced(function*() {
  const { start } = yield* Installation
  const running = yield* start
  const buyers = yield* Effect.forEach(members.slice(0, 3), ({ email }) => logIn(running.gatewayUrl, email))
  return { running, buyers, minji: buyers[0]! }
})

/** Some goods of the seed. */
const goods = Effect.fnUntraced(function*({ client }: Buyer, count: number) {
  const { items } = yield* client.products.list({ query: { limit: count } })
  return items.map(({ id, variants }): Offer => ({ productId: id, variantId: variants[0]!.id, price: variants[0]!.price }))
})

/** Nobody answered, or said "later": who means it sends the same request again. */
const isForLater = (error: unknown) =>
  HttpClientError.isHttpClientError(error) || error instanceof Unavailable || error instanceof RequestInFlight

layer(World, { excludeTestServices: true, timeout: "120 seconds" })("a marketplace that is killed and started again", (it) => {
  it.effect("right after it took an order, has it", () => Effect.gen(function*() {
    const { kill, start } = yield* Installation
    const { minji } = yield* open()
    const offers = yield* goods(minji, 2)
    const key = yield* newKey
    const order = yield* place(minji, offers, { key })
    yield* kill({ all: true })

    const running = yield* start
    assert.deepStrictEqual(yield* minji.client.orders.get({ params: { id: order.id } }), order)
    assert.deepStrictEqual(yield* place(minji, offers, { key }), order)
    const payment = yield* startToPay(minji, order)
    yield* Effect.gen(function*() {
      yield* confirm(minji, payment, yield* approve(payment))
      yield* orderIs(minji, order, "PLACED")
      assert.deepStrictEqual(yield* moved(payment), [`CAPTURE ${order.total.amount}`])
    }).pipe(Effect.provideService(Place, running))
    yield* kill({ all: false })
  }), 120_000)

  it.effect("during confirmations, charges once: nothing taken yet, and taken already", () => Effect.gen(function*() {
    const { kill, start } = yield* Installation
    const { minji, running } = yield* open()
    const left = yield* Effect.gen(function*() {
      const offers = yield* goods(minji, 2)
      const suffering = (fault: Fault) =>
        Effect.all([approvedFor(minji, offers, { faults: [fault] }), newKey]).pipe(
          Effect.map(([approved, key]) => ({ ...approved, key }))
        )
      const slow = yield* suffering({ fault: "SLOW", delayMillis: 20_000 })
      const silent = yield* suffering({ fault: "CAPTURE_TIME_OUT" })
      const asking = yield* Effect.forkChild(Effect.forEach([slow, silent], ({ key, payment, paymentKey }) =>
        Effect.result(confirm(minji, payment, paymentKey, key)), { concurrency: 2 }))
      yield* paymentIs(minji, slow.payment, "CONFIRMING")
      yield* eventually(moved(silent.payment), (entries) => entries.length === 1)
      assert.deepStrictEqual(yield* moved(slow.payment), [])
      yield* kill({ all: false })
      // the one that timed out may have been told that it is UNKNOWN just before
      const told = (yield* Fiber.join(asking)).flatMap((result) => result._tag === "Success" ? [result.success.status] : [])
      for (const status of told) assert.strictEqual(status, "UNKNOWN")
      return [slow, silent]
    }).pipe(Effect.provideService(Place, running))

    const again = yield* start
    yield* Effect.forEach(left, ({ key, order, payment, paymentKey }) =>
      Effect.gen(function*() {
        // its lease has to run out first
        const found = minji.client.payments.get({ params: { id: payment.id } })
        const paid = yield* eventually(found, ({ status }) => status === "PAID", "60 seconds")
        yield* orderIs(minji, order, "PLACED")
        assert.deepStrictEqual(yield* confirm(minji, payment, paymentKey, key), paid)
        assert.deepStrictEqual(yield* moved(payment), [`CAPTURE ${order.total.amount}`])
      }), { concurrency: 2 }).pipe(Effect.provideService(Place, again))
    yield* kill({ all: false })
  }), 120_000)

  it.effect("at any moment, forgets nothing that it answered and ends all that it began", () => Effect.gen(function*() {
    const { kill, start } = yield* Installation
    const { buyers, running } = yield* open()
    const where = yield* Ref.make(running)
    const here = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.flatMap(Ref.get(where), (now) => Effect.provideService(effect, Place, now))
    const unanswered = yield* Ref.make(0)
    const stubbornly = <A, E, R>(request: Effect.Effect<A, E, R>) =>
      here(request).pipe(
        Effect.tapError((error) => HttpClientError.isHttpClientError(error) ? Ref.update(unanswered, (n) => n + 1) : Effect.void),
        Effect.retry({ while: isForLater, schedule: Schedule.spaced("50 millis"), times: 1_200 })
      )
    const offers = yield* goods(buyers[0]!, 3)
    // Not what the member counts: what was bought before the last kill may be counted only now.
    const before = yield* Effect.forEach(buyers, ({ client }) => client.orders.list({ query: { limit: 100 } }))

    const purchase = Effect.fnUntraced(function*(buyer: Buyer) {
      const keys = { place: yield* newKey, pay: yield* newKey, confirm: yield* newKey }
      const order = yield* stubbornly(place(buyer, offers, { key: keys.place }))
      const payment = yield* stubbornly(startToPay(buyer, order, { key: keys.pay }))
      const paymentKey = yield* stubbornly(approve(payment))
      const confirmed = yield* stubbornly(confirm(buyer, payment, paymentKey, keys.confirm))
      return { buyer, order, payment, confirmed }
    })

    const round = Effect.fnUntraced(function*(delay: number, n: number) {
      const purchases = yield* Effect.forkChild(Effect.forEach(buyers, purchase, { concurrency: "unbounded" }))
      yield* Effect.sleep(delay)
      yield* kill({ all: n % 2 === 1 })
      yield* Ref.set(where, yield* start)
      return purchases
    })
    const delays = yield* Effect.forEach([30, 60, 120, 240, 480], (longest) => Random.nextIntBetween(0, longest)).pipe(
      Random.withSeed("kill")
    )
    const rounds = yield* Effect.forEach(delays, round)
    const bought = (yield* Effect.forEach(rounds, Fiber.join)).flat()

    assert.isAbove(yield* Ref.get(unanswered), 0, "no request was hit")
    assert.strictEqual(bought.length, 15)
    yield* Effect.forEach(bought, ({ buyer, confirmed, order, payment }) =>
      here(Effect.gen(function*() {
        assert.include(["PAID", "UNKNOWN"], confirmed.status)
        yield* paymentIs(buyer, payment, "PAID")
        const placed = yield* orderIs(buyer, order, "PLACED")
        assert.deepStrictEqual([placed.total, placed.createdAt], [order.total, order.createdAt])
        assert.deepStrictEqual(yield* moved(payment), [`CAPTURE ${order.total.amount}`])
        const payments = yield* buyer.client.payments.list({ query: { order: order.id } })
        assert.deepStrictEqual(payments.map(({ id }) => id), [payment.id])
      })))
    for (const [n, { client }] of buyers.entries()) {
      yield* eventually(client.members.me({}), ({ purchases }) => purchases === before[n]!.items.length + delays.length)
    }
    const { items } = yield* buyers[0]!.client.orders.list({ query: { limit: 100 } })
    assert.deepStrictEqual(items.filter(({ status }) => status !== "PLACED"), [])
  }), 180_000)

  it.effect("ends when it is asked to, with status 0, and is in order", () => Effect.gen(function*() {
    const { isStopped, stop, verify } = yield* Installation
    const running = yield* verify
    assert.strictEqual(running.status, 0, running.said)
    assert.strictEqual(yield* Effect.timeout(stop, "15 seconds"), 0)
    assert.isTrue(yield* isStopped)
    const stopped = yield* verify
    assert.strictEqual(stopped.status, 0, stopped.said)
  }), 60_000)
})
