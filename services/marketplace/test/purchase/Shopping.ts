import { Clock, Duration, Effect } from "effect"
import { SecureRandom } from "effect/crypto"
import { HttpBody, HttpClient, HttpClientRequest } from "effect/http"
import { Money, sum, times } from "@marketplace/domain/Money"
import type { OrderId } from "@marketplace/domain/Order/Ids"
import type { PaymentId } from "@marketplace/domain/Payment/Ids"
import { ProductId, VariantId } from "@marketplace/domain/Product/Ids"
import { LocalizedText, Product, Variant } from "@marketplace/domain/Product/Product"
import { EnterpriseId } from "@marketplace/domain/User/Ids"
import { Products } from "@marketplace/product/Products"
import { StockRepository } from "@marketplace/product/Stock/Repository"
import type { OrderView } from "@marketplace/schema/Order/HttpApi"
import type { PaymentView } from "@marketplace/schema/Payment/HttpApi"
import { IdempotencyKey } from "@marketplace/schema/Requests"
import { type Buyer, Place } from "./Place.ts"

/** Asks until the answer is right; a bounded wait for what others do. */
export const eventually = <A, E, R>(
  ask: Effect.Effect<A, E, R>,
  right: (answer: A) => boolean,
  within: Duration.Input = "20 seconds"
) =>
  Effect.gen(function*() {
    const end = (yield* Clock.currentTimeMillis) + Duration.toMillis(Duration.fromInputUnsafe(within))
    while (true) {
      const answer = yield* ask
      if (right(answer)) return answer
      if ((yield* Clock.currentTimeMillis) > end) return yield* Effect.die(new Error(`still ${JSON.stringify(answer)}`))
      yield* Effect.sleep("20 millis")
    }
  })

const uuid = SecureRandom.SecureRandom.use((random) => random.uuidV7())

export const newKey = Effect.map(uuid, (id) => IdempotencyKey.make(id))

/** What one can buy: a product with one variant. */
export interface Offer {
  readonly productId: ProductId
  readonly variantId: VariantId
  readonly price: Money
}

/** Goods of a test's own, each of a seller of its own. */
export const offer = Effect.fnUntraced(function*(
  { onHand = 100, price = 12_000 }: { readonly onHand?: number; readonly price?: number } = {}
) {
  const products = yield* Products
  const stock = yield* StockRepository
  const made = {
    productId: ProductId.make(yield* uuid),
    variantId: VariantId.make(yield* uuid),
    price: new Money({ amount: price, currency: "KRW" })
  }
  const text = new LocalizedText({ ko: "쟁반", en: "Tray" })
  const { price: unitPrice, variantId } = made
  yield* stock.insert({ variantId: made.variantId, productId: made.productId, onHand })
  yield* products.add(
    new Product({
      id: made.productId,
      enterpriseId: EnterpriseId.make(yield* uuid),
      seller: "한옥살림",
      name: text,
      description: text,
      status: "ACTIVE",
      variants: [new Variant({ id: variantId, sku: "TRAY", price: unitPrice, available: onHand, sold: 0, stockSequence: 0 })]
    })
  )
  return made
})

/** So many pieces of each, at the prices shown. */
export const wish = (offers: ReadonlyArray<Offer>, quantity = 1) => ({
  lines: offers.map(({ variantId }) => ({ variantId, quantity })),
  expectedTotal: sum("KRW", offers.map(({ price }) => times(price, quantity)))
})

export type Wish = ReturnType<typeof wish>

export const place = Effect.fnUntraced(function*(
  { client }: Buyer,
  offers: ReadonlyArray<Offer>,
  { key, quantity }: { readonly quantity?: number; readonly key?: IdempotencyKey } = {}
) {
  return yield* client.orders.place({ headers: { "idempotency-key": key ?? (yield* newKey) }, payload: wish(offers, quantity) })
})

export const startToPay = Effect.fnUntraced(function*(
  { client }: Buyer,
  { id }: Pick<OrderView, "id">,
  { key, method = "CARD" }: { readonly method?: PaymentView["method"]; readonly key?: IdempotencyKey } = {}
) {
  const headers = { "idempotency-key": key ?? (yield* newKey) }
  return yield* client.payments.create({ headers, payload: { orderId: id, method } })
})

/** As the buyer does on the provider's page; gives the provider's name of the payment. */
export const approve = Effect.fnUntraced(function*({ amount, id, method }: PaymentView) {
  const { provider } = yield* Place
  const approval = { paymentId: id, amount: amount.amount, currency: amount.currency, method }
  return (yield* provider.checkout.approve({ payload: approval })).paymentKey
})

export const confirm = Effect.fnUntraced(function*(
  { client }: Buyer,
  payment: PaymentView,
  providerPaymentKey: string,
  key?: IdempotencyKey
) {
  return yield* client.payments.confirm({
    params: { id: payment.id },
    headers: { "idempotency-key": key ?? (yield* newKey) },
    payload: { providerPaymentKey, amount: payment.amount }
  })
})

/** What is to happen to a payment at the provider, and how often. */
export interface Fault {
  readonly fault: Effect.Success<ReturnType<typeof script>>["faults"][number]["fault"]
  /** Once, if left out. */
  readonly times?: number
  readonly delayMillis?: number
}

export const script = Effect.fnUntraced(function*(id: PaymentId) {
  const { provider } = yield* Place
  return yield* provider.control.script({ params: { orderId: id } })
})

interface Approval {
  readonly method?: PaymentView["method"]
  readonly faults?: ReadonlyArray<Fault>
}

/** An order whose payment is approved at the provider, where it will meet these faults. */
export const approvedFor = Effect.fnUntraced(function*(
  buyer: Buyer,
  offers: ReadonlyArray<Offer>,
  { faults = [], method = "CARD" }: Approval = {}
) {
  const { provider } = yield* Place
  const order = yield* place(buyer, offers)
  const payment = yield* startToPay(buyer, order, { method })
  const planned = faults.map((fault) => ({ times: 1, delayMillis: 0, ...fault }))
  yield* provider.control.plan({ params: { orderId: payment.id }, payload: { faults: planned } })
  return { order, payment, paymentKey: yield* approve(payment) }
})

/** The same, for goods that nobody else wants. */
export const approved = (buyer: Buyer, approval: Approval = {}) =>
  Effect.flatMap(offer(), (offered) => approvedFor(buyer, [offered], approval))

/** How often the faults of a payment have struck: a test counts only if they did. */
export const strikes = (payment: PaymentView) =>
  Effect.map(script(payment.id), ({ faults }) => faults.map(({ applied }) => applied))

/** What the provider took and gave back for a payment: `CAPTURE 12000`. */
export const moved = Effect.fnUntraced(function*({ id }: PaymentView) {
  const { provider } = yield* Place
  const { entries } = yield* provider.control.journal({ query: { after: 0, limit: 10_000 } })
  const movements = entries.filter(({ kind, orderId }) => kind !== "APPROVAL" && orderId === id)
  return movements.map(({ amount, kind }) => `${kind} ${amount}`)
})

export const orderIs = ({ client }: Buyer, { id }: { readonly id: OrderId }, status: OrderView["status"]) =>
  eventually(client.orders.get({ params: { id } }), (order) => order.status === status)

export const paymentIs = ({ client }: Buyer, { id }: { readonly id: PaymentId }, status: PaymentView["status"]) =>
  eventually(client.payments.get({ params: { id } }), (payment) => payment.status === status)

/** A request as anybody can write it. */
export const send = Effect.fnUntraced(function*(
  method: "GET" | "POST",
  path: string,
  { body, headers = {}, token }: {
    readonly token?: string
    readonly headers?: Record<string, string>
    readonly body?: unknown
  } = {}
) {
  const { gatewayUrl } = yield* Place
  const http = yield* HttpClient.HttpClient
  const response = yield* http.execute(HttpClientRequest.make(method)(`${gatewayUrl}${path}`).pipe(
    HttpClientRequest.setHeaders({ ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...headers }),
    (request) => body === undefined ? request : HttpClientRequest.setBody(request, HttpBody.jsonUnsafe(body))
  ))
  const text = yield* response.text
  return { status: response.status, headers: response.headers, text, json: text === "" ? undefined : JSON.parse(text) }
})
