import { Context, Effect, Layer, Redacted, Ref } from "effect"
import { HttpBody, HttpClient, HttpClientRequest } from "effect/http"
import { SecureRandom } from "effect/crypto"
import type { Client } from "@marketplace/client/Client"
import { sum } from "@marketplace/domain/Money"
import { Email } from "@marketplace/domain/User/Member"
import type { OrderView } from "@marketplace/schema/Order/HttpApi"
import { IdempotencyKey } from "@marketplace/schema/Requests"
import type { PaymentView } from "@marketplace/schema/Payment/HttpApi"
import type { ProductView } from "@marketplace/schema/Product/HttpApi"
import { demoPassword } from "../Seed/Data.ts"

const won = (amount: number) => `${amount.toLocaleString("en")} KRW`

export const money = ({ amount, currency }: { readonly amount: number; readonly currency: string }) =>
  currency === "KRW" ? won(amount) : `${amount} ${currency}`

/** A key for one intent of a buyer. */
export const newKey = Effect.gen(function*() {
  const random = yield* SecureRandom.SecureRandom
  return IdempotencyKey.make(yield* random.uuidV4())
})

/** Logs in; the client sends the access token from now on. */
export const logIn = Effect.fnUntraced(function*(client: Client, email: string) {
  const session = yield* client.sessions.logIn({ payload: { email: Email.make(email), password: Redacted.make(demoPassword) } })
  yield* Ref.set(client.token, Redacted.make(session.accessToken))
  return session
})

/** The first products of two different sellers that have stock. */
export const ofTwoSellers = (products: ReadonlyArray<ProductView>) => {
  const inStock = products.filter(({ variants }) => variants[0]?.availability !== "SOLD_OUT")
  const [first] = inStock
  const second = inStock.find(({ seller }) => seller.id !== first?.seller.id)
  return first === undefined || second === undefined ? [] : [first, second]
}

/** One piece of each product's first variant, at the prices shown. */
export const wish = (products: ReadonlyArray<ProductView>) => {
  const variants = products.flatMap(({ variants }) => variants.slice(0, 1))
  const currency = variants[0]?.price.currency ?? "KRW"
  return {
    lines: variants.map(({ id }) => ({ variantId: id, quantity: 1 })),
    expectedTotal: sum(currency, variants.map(({ price }) => price))
  }
}

/** Approves a payment as the buyer would on the provider's page. */
export const approve = Effect.fnUntraced(function*({ simulatorUrl }: { readonly simulatorUrl: string }, { amount, id, method }: PaymentView) {
  const http = yield* HttpClient.HttpClient
  const response = yield* http.execute(HttpClientRequest.post(`${simulatorUrl}/checkout/approvals`).pipe(
    HttpClientRequest.setBody(HttpBody.jsonUnsafe({ paymentId: id, amount: amount.amount, currency: amount.currency, method }))
  ))
  const body = yield* response.json
  return typeof body === "object" && body !== null && "paymentKey" in body ? String(body.paymentKey) : ""
})

/** What becomes of the next call of the provider for a payment. */
export const script = Effect.fnUntraced(function*(
  { simulatorSecret, simulatorUrl }: { readonly simulatorUrl: string; readonly simulatorSecret: string },
  payment: PaymentView,
  fault: string
) {
  const http = yield* Effect.map(HttpClient.HttpClient, HttpClient.filterStatusOk)
  yield* http.execute(HttpClientRequest.put(`${simulatorUrl}/script/${payment.id}`).pipe(
    HttpClientRequest.basicAuth(simulatorSecret, ""),
    HttpClientRequest.setBody(HttpBody.jsonUnsafe({ faults: [{ fault, times: 1 }] }))
  ))
})

export const statuses = ({ sellerOrders, status }: OrderView) => `${status}, sellers' parts ${sellerOrders.map((part) => part.status).join(" and ")}`

/** Trace of the last answer of the gateway. */
export class LastTrace extends Context.Service<LastTrace, Ref.Ref<string>>()("@marketplace/marketplace/LastTrace") {
  static readonly layer = Layer.effect(LastTrace, Ref.make(""))
}

export const lastTrace = Effect.flatMap(LastTrace, Ref.get)

/** An HTTP client that remembers the trace of the last answer. */
export const layerTracked = Layer.effect(HttpClient.HttpClient, Effect.gen(function*() {
  const client = yield* HttpClient.HttpClient
  const last = yield* LastTrace
  return HttpClient.tap(client, ({ headers }) => headers["x-trace-id"] === undefined ? Effect.void : Ref.set(last, headers["x-trace-id"]))
}))
