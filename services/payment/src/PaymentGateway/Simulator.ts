import { ByteSize, Config, Duration, Effect, Layer, Option, Result, Schema } from "effect"
import { HttpClient, HttpClientError, HttpClientRequest, HttpIncomingMessage } from "effect/http"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Currency, Money } from "@marketplace/domain/Money"
import { PaymentId } from "@marketplace/domain/Payment/Ids"
import type { Finding } from "@marketplace/domain/Payment/Payment"
import { findingOf, PaymentGateway, type ProviderState, type RefundFinding } from "../PaymentGateway.ts"

const settings = Config.all({
  /** From service to provider. */
  url: Config.URL("PAYMENT_SIMULATOR_URL"),
  /** For the buyer's browser; the same if left out. */
  publicUrl: Config.URL("PAYMENT_SIMULATOR_PUBLIC_URL").pipe(Config.orElse(() => Config.URL("PAYMENT_SIMULATOR_URL"))),
  secret: Config.Redacted("PAYMENT_SIMULATOR_SECRET"),
  /** For the whole of a call: connecting, sending, and all of the answer. */
  deadline: Config.Duration("PAYMENT_SIMULATOR_DEADLINE").pipe(Config.withDefault(Duration.seconds(10)))
})

/** A payment as the provider shows it, as far as anything here depends on it. */
const ProviderPayment = Schema.Struct({
  paymentKey: Schema.String,
  /** The merchant's name of the payment: ours. */
  orderId: PaymentId,
  status: Schema.Literals(["READY", "IN_PROGRESS", "DONE", "PARTIAL_CANCELED", "CANCELED", "ABORTED", "EXPIRED"]),
  currency: Currency,
  totalAmount: Schema.Int,
  lastTransactionKey: Schema.NullOr(Schema.String),
  cancels: Schema.Array(Schema.Struct({ transactionKey: Schema.String, cancelAmount: Schema.Int })),
  failure: Schema.NullOr(Schema.Struct({ code: Schema.String }))
})
type ProviderPayment = typeof ProviderPayment.Type

const Refusal = Schema.Struct({ code: Schema.String })

/**
 * Codes after which it is certain that nothing was taken. A 4xx alone proves nothing: the provider also answers so when
 * another request took the money before, or while one is under way.
 */
const declines = new Set([
  "REJECT_CARD_PAYMENT",
  "REJECT_ACCOUNT_PAYMENT",
  "NOT_FOUND_PAYMENT_SESSION",
  "PAYMENT_AMOUNT_MISMATCH"
])

/** Codes after which it is certain that this request gave nothing back. */
const refundRefusals = new Set(["REFUND_REJECTED", "NOT_CANCELABLE_PAYMENT", "NOT_CANCELABLE_AMOUNT", "ALREADY_CANCELED_PAYMENT"])

/** What came over the wire. */
type Answer =
  | { readonly _tag: "Payment"; readonly payment: ProviderPayment }
  | { readonly _tag: "Refusal"; readonly code: string }
  | { readonly _tag: "NotSent" }
  | { readonly _tag: "Unclear"; readonly why: string }

const unsentCodes = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN"])

/**
 * Node names the step that failed: only a connection that was refused or a name that has no address is surely without
 * effect. A reset carries the step `connect` too, when the peer closed between its accepting and our writing.
 */
const isUnsent = (cause: unknown): boolean => {
  // One error per address that was tried.
  if (cause instanceof AggregateError) return cause.errors.length > 0 && cause.errors.every(isUnsent)
  return cause instanceof Error && "code" in cause && typeof cause.code === "string" && unsentCodes.has(cause.code)
}

const answerOf = (status: number, body: Schema.Json): Answer => {
  if (status === 200) {
    return Result.match(Schema.decodeUnknownResult(ProviderPayment)(body), {
      onFailure: () => ({ _tag: "Unclear", why: "the body is not a payment" }),
      onSuccess: (payment) => ({ _tag: "Payment", payment })
    })
  }
  // The secret was refused at the door, before anything was looked at.
  if (status === 401) return { _tag: "NotSent" }
  const refusal = status >= 400 && status < 500 ? Schema.decodeUnknownOption(Refusal)(body) : Option.none()
  return Option.match(refusal, {
    onNone: () => ({ _tag: "Unclear", why: `status ${status}` }),
    onSome: ({ code }) => ({ _tag: "Refusal", code })
  })
}

const stateOf = ({ currency, failure, paymentKey, status, totalAmount }: ProviderPayment): ProviderState => {
  switch (status) {
    case "READY":
    case "IN_PROGRESS":
      return { _tag: "Pending" }
    case "DONE":
    case "PARTIAL_CANCELED":
    case "CANCELED":
      return { _tag: "Captured", providerPaymentKey: paymentKey, amount: new Money({ amount: totalAmount, currency }) }
    case "ABORTED":
    case "EXPIRED":
      return { _tag: "Declined", reason: failure?.code ?? status }
  }
}

const make = Effect.gen(function*() {
  const { deadline, publicUrl, secret, url } = yield* settings
  const http = (yield* HttpClient.HttpClient).pipe(HttpClient.mapRequest((request) =>
    request.pipe(HttpClientRequest.prependUrl(url.href), HttpClientRequest.basicAuth(secret, ""), HttpClientRequest.acceptJson)
  ))

  const ask = (request: HttpClientRequest.HttpClientRequest): Effect.Effect<Answer> =>
    http.execute(request).pipe(
      Effect.flatMap((response) => Effect.map(response.json, (body) => answerOf(response.status, body))),
      Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.kibibytes(64)),
      Effect.catch((error: HttpClientError.HttpClientError) =>
        Effect.succeed<Answer>(
          error.reason._tag === "TransportError" && isUnsent(error.reason.cause)
            ? { _tag: "NotSent" }
            : { _tag: "Unclear", why: error.message }
        )
      ),
      Effect.timeoutOrElse({
        duration: deadline,
        orElse: () => Effect.succeed<Answer>({ _tag: "Unclear", why: `no answer within ${Duration.format(deadline)}` })
      }),
      Effect.tap((answer) =>
        answer._tag === "Payment" ? Effect.void : Effect.logWarning("The payment simulator answered", answer)
      )
    )

  const post = (path: string, key: string, body: unknown) =>
    HttpClientRequest.post(path).pipe(
      HttpClientRequest.setHeader("idempotency-key", key),
      HttpClientRequest.bodyJsonUnsafe(body),
      ask
    )

  /** Right in form, wrong in content: the provider answered for something else. */
  const mistaken = Effect.logError("The payment simulator answered for another payment or amount").pipe(
    Effect.as({ _tag: "Unclear" } as const)
  )

  return PaymentGateway.of({
    name: "simulator",

    checkoutUrl: ({ amount, id, method }) => {
      const page = new URL("checkout", publicUrl.href.endsWith("/") ? publicUrl : `${publicUrl.href}/`)
      const asked = { paymentId: id, amount: String(amount.amount), currency: amount.currency, method }
      page.search = new URLSearchParams(asked).toString()
      return page.href
    },

    confirm: Effect.fn("PaymentGateway.confirm")(function*({ amount, paymentId, providerPaymentKey }): Effect.fn.Return<Finding> {
      const answer = yield* post("v1/payments/confirm", paymentId, {
        paymentKey: providerPaymentKey,
        orderId: paymentId,
        amount: amount.amount
      })
      switch (answer._tag) {
        case "Payment":
          return answer.payment.orderId === paymentId && answer.payment.paymentKey === providerPaymentKey
            ? yield* findingOf({ id: paymentId, amount }, stateOf(answer.payment))
            : yield* mistaken
        case "Refusal":
          return declines.has(answer.code) ? { _tag: "Declined", reason: answer.code } : { _tag: "Unclear" }
        case "NotSent":
          return answer
        case "Unclear":
          return { _tag: "Unclear" }
      }
    }, (finding, { paymentId }) => Effect.annotateLogs(finding, { paymentId })),

    find: Effect.fn("PaymentGateway.find")(function*(paymentId): Effect.fn.Return<ProviderState> {
      const answer = yield* ask(HttpClientRequest.get(`v1/payments/orders/${encodeURIComponent(paymentId)}`))
      if (answer._tag === "Payment" && answer.payment.orderId === paymentId) return stateOf(answer.payment)
      return { _tag: answer._tag === "Refusal" && answer.code === "NOT_FOUND_PAYMENT" ? "NotFound" : "Unreachable" }
    }, (state, paymentId) => Effect.annotateLogs(state, { paymentId })),

    refund: Effect.fn("PaymentGateway.refund")(function*(refund): Effect.fn.Return<RefundFinding> {
      const { amount, providerPaymentKey, reason, refundId } = refund
      const answer = yield* post(`v1/payments/${encodeURIComponent(providerPaymentKey)}/cancel`, refundId, {
        cancelReason: reason,
        cancelAmount: amount.amount
      })
      switch (answer._tag) {
        case "Payment": {
          const { cancels, currency, lastTransactionKey, paymentKey } = answer.payment
          const made = cancels.find(({ transactionKey }) => transactionKey === lastTransactionKey)
          return paymentKey === providerPaymentKey && currency === amount.currency && made?.cancelAmount === amount.amount
            ? { _tag: "Refunded" }
            : yield* mistaken
        }
        case "Refusal":
          return refundRefusals.has(answer.code) ? { _tag: "Refused", reason: answer.code } : { _tag: "Unclear" }
        case "NotSent":
          return answer
        case "Unclear":
          return { _tag: "Unclear" }
      }
    }, (finding, { refundId }) => Effect.annotateLogs(finding, { refundId }))
  })
})

/**
 * The payment simulator, over HTTP. A connection is kept for a second after a call and not longer: one that the provider
 * closes while it is idle would look like one cut after sending, whose outcome has to be looked up. Redirects are not
 * followed, answers are limited to 64 KiB.
 *
 * From `PAYMENT_SIMULATOR_URL`, `PAYMENT_SIMULATOR_PUBLIC_URL`, `PAYMENT_SIMULATOR_SECRET`, `PAYMENT_SIMULATOR_DEADLINE`.
 */
export const layerSimulator: Layer.Layer<PaymentGateway, Config.ConfigError> = Layer.effect(PaymentGateway, make).pipe(
  Layer.provide(NodeHttpClient.layerNodeHttpOptions({ keepAlive: true, timeout: 1000 }))
)
