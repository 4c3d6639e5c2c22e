import { Effect, Schema } from "effect"
import { HttpClient } from "effect/http"
import { fresh, make } from "@marketplace/client/Client"
import { SpanRecord } from "@marketplace/telemetry/SpanRecord"
import * as TraceTree from "@marketplace/telemetry/TraceTree"
import type { Running } from "../Running.ts"
import { check, Narrator, until } from "./Narrator.ts"
import { approve, lastTrace, logIn, money, newKey, ofTwoSellers, script, statuses, wish } from "./Purchase.ts"

/** What the provider's credentials are for the demo, which plays the buyer and the provider's misfortunes. */
export interface Stage extends Running {
  readonly simulatorSecret: string
}

/** A purchase as a buyer sees it, then the two accidents that money must survive; fails at the first step that is not right. */
export const story = Effect.fn("Demo.story")(function*(stage: Stage) {
  const { chapter, step } = yield* Narrator
  const client = yield* make(stage.gatewayUrl)
  const placeAndPay = Effect.fnUntraced(function*(method: "CARD" | "TRANSFER") {
    const { items } = yield* client.products.list({ query: { limit: 50 } })
    const order = yield* client.orders.place({ headers: { "idempotency-key": yield* newKey }, payload: wish(ofTwoSellers(items)) })
    const payment = yield* client.payments.create({ headers: { "idempotency-key": yield* newKey }, payload: { orderId: order.id, method } })
    return { order, payment }
  })
  const paymentIs = (id: Parameters<typeof client.payments.get>[0]["params"]["id"], status: string) =>
    until(client.payments.get({ params: { id } }), (payment) => payment.status === status)

  yield* chapter("A purchase of two sellers' goods")
  yield* step("log in", logIn(client, "minji@example.com"), ({ expiresIn }) => `an access token for ${expiresIn / 60} minutes`)
  const before = yield* step("read the own profile", client.members.me({}), ({ name, purchases }) => `${name}, ${purchases} purchases so far`)
  const products = yield* step("browse", Effect.map(fresh(client.products.list({ query: { limit: 50 } })), ({ items }) => ofTwoSellers(items)), (found) =>
    found.map(({ name, seller }) => `${name.ko} (${name.en}) of ${seller.name}`).join(" and "))
  const key = yield* newKey
  const place = client.orders.place({ headers: { "idempotency-key": key }, payload: wish(products) })
  const order = yield* step("order both; the stock is held", place, (made) => `${money(made.total)}, ${statuses(made)}`)
  yield* step("send the same order again", Effect.tap(place, ({ id }) => check(id === order.id, "another order was made")), () =>
    "the same answer, nothing ordered twice")
  const payment = yield* step(
    "start to pay",
    client.payments.create({ headers: { "idempotency-key": yield* newKey }, payload: { orderId: order.id, method: "CARD" } }),
    ({ checkoutUrl, status }) => `${status}, the buyer approves at ${checkoutUrl?.split("?")[0]}`
  )
  const paymentKey = yield* step("approve at the provider", approve(stage, payment))
  const confirmed = yield* step(
    "confirm",
    client.payments.confirm({
      params: { id: payment.id },
      headers: { "idempotency-key": yield* newKey },
      payload: { providerPaymentKey: paymentKey, amount: payment.amount }
    }),
    ({ status }) => status
  )
  yield* check(confirmed.status === "PAID", `the payment is ${confirmed.status}`)
  const traceId = yield* lastTrace
  const placed = yield* step(
    "PaymentCompleted reaches order",
    until(client.orders.get({ params: { id: order.id } }), ({ status }) => status === "PLACED"),
    statuses
  )
  yield* step(
    "OrderStatusChanged reaches product: stock is committed, sales are counted",
    Effect.forEach(products, ({ id, sales }) => until(fresh(client.products.get({ params: { id } })), (now) => now.sales === sales + 1)),
    (now) => now.map(({ sales }) => `${sales} sold`).join(" and ")
  )
  yield* step(
    "OrderStatusChanged reaches user: the purchase is counted",
    until(client.members.me({}), ({ purchases }) => purchases === before.purchases + 1),
    ({ purchases }) => `${purchases} purchases`
  )
  yield* step("read the timeline", client.orders.timeline({ params: { id: placed.id } }), (entries) =>
    entries.filter(({ scope }) => scope === "order").map(({ to }) => to).join(" → "))

  yield* chapter("The provider takes the money and does not answer")
  const lost = yield* step("order and start to pay", placeAndPay("CARD"), ({ payment }) => payment.status)
  const lostKey = yield* step("approve", approve(stage, lost.payment))
  yield* step("have the provider capture, then cut the connection", script(stage, lost.payment, "CAPTURE_CUT"))
  yield* step(
    "confirm",
    client.payments.confirm({
      params: { id: lost.payment.id },
      headers: { "idempotency-key": yield* newKey },
      payload: { providerPaymentKey: lostKey, amount: lost.payment.amount }
    }),
    ({ status }) => `${status}: nobody guesses`
  )
  yield* step("the platform finds out by itself", paymentIs(lost.payment.id, "PAID"), ({ status }) => `${status}, charged once`)
  yield* step(
    "and the order is placed",
    until(client.orders.get({ params: { id: lost.order.id } }), ({ status }) => status === "PLACED"),
    statuses
  )

  yield* chapter("A payment succeeds after it was given up")
  const late = yield* step("order and start to pay by transfer", placeAndPay("TRANSFER"), ({ payment }) => payment.status)
  const lateKey = yield* step("the bank transfers at the approval already", approve(stage, late.payment))
  const second = yield* step(
    "the buyer changes to a card; the transfer is given up",
    client.payments.create({ headers: { "idempotency-key": yield* newKey }, payload: { orderId: late.order.id, method: "CARD" } }),
    ({ status }) => `second payment ${status}`
  )
  const secondKey = yield* approve(stage, second)
  yield* step(
    "confirm the card",
    client.payments.confirm({
      params: { id: second.id },
      headers: { "idempotency-key": yield* newKey },
      payload: { providerPaymentKey: secondKey, amount: second.amount }
    }),
    ({ status }) => status
  )
  yield* step(
    "confirm the transfer, too",
    Effect.flip(client.payments.confirm({
      params: { id: late.payment.id },
      headers: { "idempotency-key": yield* newKey },
      payload: { providerPaymentKey: lateKey, amount: late.payment.amount }
    })),
    (refusal) => `refused: ${"title" in refusal ? refusal.title : refusal._tag}`
  )
  yield* step("the platform finds the transfer's success", paymentIs(late.payment.id, "PAID_LATE"), ({ status }) => status)
  yield* step(
    "and pays it back",
    until(client.refunds.list({ query: { order: late.order.id } }), ([refund]) => refund?.status === "SUCCEEDED"),
    ([refund]) => refund === undefined ? "" : `${money(refund.amount)} ${refund.status}, because ${refund.reason}`
  )

  yield* chapter(`The trace of the confirmation (${traceId})`)
  const spans = yield* step("read it", readTrace(stage, traceId), (found) => `${found.length} spans`)
  yield* chapter(TraceTree.render(spans))
})

/** Spans arrive when they have ended: asks until the last consumers are in. */
const readTrace = Effect.fnUntraced(function*({ tracesUrl }: Stage, traceId: string) {
  const http = yield* HttpClient.HttpClient
  const ask = http.get(`${tracesUrl}/${traceId}`).pipe(
    Effect.flatMap((response) => response.json),
    Effect.flatMap(Schema.decodeUnknownEffect(Schema.Array(SpanRecord)))
  )
  return yield* until(ask, (spans) => consumers(spans) >= expectedConsumers)
})

const consumers = (spans: ReadonlyArray<SpanRecord>) => spans.filter(({ kind }) => kind === "consumer").length

/** PaymentCompleted at order; OrderStatusChanged of the order and its two parts at product and at user. */
const expectedConsumers = 7
