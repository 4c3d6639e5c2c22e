import { assert, describe } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { EnterpriseId } from "@marketplace/domain/User/Ids"
import { Reservations } from "@marketplace/product/Reservations"
import { OrderRejected } from "@marketplace/schema/Order/HttpApi"
import { RequestInFlight, Unavailable } from "@marketplace/schema/Problems"
import { request } from "node:http"
import * as Books from "./Books.ts"
import { approved, confirm, eventually, moved, newKey, type Offer, offer, orderIs, paymentIs, place, wish } from "./Shopping.ts"
import { Place } from "./Place.ts"
import { type Tests, World } from "./World.ts"

/** While `during` runs nobody gets at the stock of these goods: product does not answer. */
const withoutProduct = Effect.fnUntraced(function*<A, E, R>(offers: ReadonlyArray<Offer>, during: Effect.Effect<A, E, R>) {
  const { sql } = yield* World
  const [held, done] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
  const variants = sql.in("variant_id", offers.map(({ variantId }) => variantId))
  const holder = yield* sql`select from product_service.stock where ${variants} for update`.pipe(
    Effect.andThen(Deferred.succeed(held, undefined)),
    Effect.andThen(Deferred.await(done)),
    sql.withTransaction,
    Effect.forkChild
  )
  yield* Effect.raceFirst(Deferred.await(held), Fiber.join(holder))
  return yield* Effect.ensuring(during, Effect.andThen(Deferred.succeed(done, undefined), Fiber.await(holder)))
})

const placing = (offered: Offer) =>
  Effect.map(eventually(Books.ordersOf(offered), ([order]) => order?.status === "PLACING"), ([order]) => order!)

/** An order whose service died, or could not go on, after its first commit. */
const left = Effect.fnUntraced(function*(options: { readonly onHand?: number } = {}) {
  const { buyers: { minji } } = yield* World
  const tray = yield* offer(options)
  const key = yield* newKey
  yield* withoutProduct([tray], Effect.gen(function*() {
    assert.instanceOf(yield* Effect.flip(place(minji, [tray], { key })), Unavailable)
  }))
  return { tray, key, order: yield* placing(tray) }
})

/** Sends a request, and cuts the connection once `sent`. */
const cutOff = Effect.fnUntraced(function*<A, E, R>(
  path: string,
  { body, key, token }: { readonly token: string; readonly key: string; readonly body: unknown },
  sent: Effect.Effect<A, E, R>
) {
  const { gatewayUrl } = yield* Place
  let answered = false
  const client = request(`${gatewayUrl}${path}`, {
    method: "POST",
    agent: false,
    headers: { authorization: `Bearer ${token}`, "idempotency-key": key, "content-type": "application/json" }
  }, () => {
    answered = true
  })
  client.on("error", () => {})
  client.end(JSON.stringify(body))
  const found = yield* sent
  client.destroy()
  assert.isFalse(answered, "it was answered before it was cut")
  return found
})

/** The row as a process leaves it that dies between the two commits of a confirmation. */
const leftConfirming = Effect.fnUntraced(function*(paymentId: string, providerPaymentKey: string) {
  const { sql } = yield* World
  yield* sql`
    update payment_service.payment
    set status = 'CONFIRMING', provider_payment_key = ${providerPaymentKey}, changed_at = now(), looks = 0, due_at = now()
    where id = ${paymentId} and status = 'READY'`
})

export const cases = (it: Tests) =>
  describe("after a failure", () => {
    it.effect("the same key goes on with an order that is being placed", () => Effect.gen(function*() {
      const { buyers: { minji } } = yield* World
      const { key, order, tray } = yield* left()
      const placed = yield* place(minji, [tray], { key })
      assert.deepStrictEqual([placed.id, placed.status], [order.id, "AWAITING_PAYMENT"])
      assert.deepStrictEqual(yield* Books.stockOf(tray), { onHand: 100, held: 1, committed: 0 })
    }))

    it.effect("the sweeper goes on with it when nobody asks", () => Effect.gen(function*() {
      const { buyers: { minji } } = yield* World
      const { key, order, tray } = yield* left()
      yield* Books.abandonedOrder(order)
      const swept = yield* orderIs(minji, order, "AWAITING_PAYMENT")
      assert.deepStrictEqual(yield* place(minji, [tray], { key }), swept)
    }))

    it.effect("the sweeper rejects it when the goods are gone meanwhile", () => Effect.gen(function*() {
      const { buyers: { alex, minji } } = yield* World
      const { key, order, tray } = yield* left({ onHand: 1 })
      yield* place(alex, [tray])
      yield* Books.abandonedOrder(order)
      yield* orderIs(minji, order, "REJECTED")
      const refused = yield* Effect.flip(place(minji, [tray], { key }))
      assert.instanceOf(refused, OrderRejected)
      assert.deepStrictEqual([refused.orderId, refused.reason], [order.id, "OUT_OF_STOCK"])
    }))

    it.effect("goods that were held before it are held once", () => Effect.gen(function*() {
      const { buyers: { minji }, sql } = yield* World
      const { order, tray } = yield* left()
      const [part] = yield* sql<{ readonly enterpriseId: string }>`
        select enterprise_id from order_service.seller_order where order_id = ${order.id}`
      const enterpriseId = EnterpriseId.make(part!.enterpriseId)
      const reservations = yield* Reservations
      yield* reservations.reserve(order.id, [{ variantId: tray.variantId, quantity: 1, unitPrice: tray.price, enterpriseId }])
      assert.strictEqual((yield* Books.stockOf(tray)).held, 1)
      yield* Books.abandonedOrder(order)
      yield* orderIs(minji, order, "AWAITING_PAYMENT")
      assert.deepStrictEqual(yield* Books.stockOf(tray), { onHand: 100, held: 1, committed: 0 })
    }))

    it.effect("a confirmation that died before the provider heard of it is made once", () => Effect.gen(function*() {
      const { buyers: { minji } } = yield* World
      const { order, payment, paymentKey } = yield* approved(minji)
      yield* leftConfirming(payment.id, paymentKey)
      yield* paymentIs(minji, payment, "PAID")
      yield* orderIs(minji, order, "PLACED")
      assert.deepStrictEqual(yield* moved(payment), ["CAPTURE 12000"])
    }))

    it.effect("a confirmation that died after the provider took the money is found", () => Effect.gen(function*() {
      const { buyers: { minji } } = yield* World
      const { provider } = yield* Place
      const { order, payment, paymentKey } = yield* approved(minji)
      yield* provider.payments.confirm({
        headers: { "idempotency-key": payment.id },
        payload: { paymentKey, orderId: payment.id, amount: payment.amount.amount }
      })
      yield* leftConfirming(payment.id, paymentKey)
      yield* paymentIs(minji, payment, "PAID")
      yield* orderIs(minji, order, "PLACED")
      assert.deepStrictEqual(yield* moved(payment), ["CAPTURE 12000"])
    }))

    it.effect("a buyer who leaves in the middle of a checkout has ordered", () => Effect.gen(function*() {
      const { buyers: { minji } } = yield* World
      const tray = yield* offer()
      const key = yield* newKey
      const leave = cutOff("/v1/orders", { token: minji.token, key, body: wish([tray]) }, placing(tray))
      const order = yield* withoutProduct([tray], leave)
      const placed = yield* orderIs(minji, order, "AWAITING_PAYMENT")
      assert.strictEqual((yield* Books.stockOf(tray)).held, 1)
      assert.deepStrictEqual(yield* place(minji, [tray], { key }), placed)
    }))

    it.effect("a buyer who leaves in the middle of a confirmation has paid", () => Effect.gen(function*() {
      const { buyers: { minji } } = yield* World
      const { order, payment, paymentKey } = yield* approved(minji, { faults: [{ fault: "SLOW", delayMillis: 500 }] })
      const key = yield* newKey
      const body = { providerPaymentKey: paymentKey, amount: payment.amount }
      const isConfirming = paymentIs(minji, payment, "CONFIRMING")
      yield* cutOff(`/v1/payments/${payment.id}/confirmation`, { token: minji.token, key, body }, isConfirming)
      // by itself: before the lease of a confirmation that died would be over
      const found = minji.client.payments.get({ params: { id: payment.id } })
      const paid = yield* eventually(found, ({ status }) => status === "PAID", "10 seconds")
      yield* orderIs(minji, order, "PLACED")
      assert.deepStrictEqual(yield* confirm(minji, payment, paymentKey, key), paid)
      assert.deepStrictEqual(yield* moved(payment), ["CAPTURE 12000"])
    }))

    it.effect("a confirmation under way is in flight for its own key, and nobody else's", () => Effect.gen(function*() {
      const { buyers: { minji } } = yield* World
      const { payment, paymentKey } = yield* approved(minji, { faults: [{ fault: "SLOW", delayMillis: 500 }] })
      const key = yield* newKey
      const first = yield* Effect.forkChild(confirm(minji, payment, paymentKey, key))
      yield* paymentIs(minji, payment, "CONFIRMING")
      assert.instanceOf(yield* Effect.flip(confirm(minji, payment, paymentKey, key)), RequestInFlight)
      const other = yield* Effect.flip(confirm(minji, payment, paymentKey))
      assert.strictEqual(other._tag, "NotConfirmable")
      assert.strictEqual((yield* Fiber.join(first)).status, "PAID")
    }))
  })
