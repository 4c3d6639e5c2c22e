import { Effect, Layer, Redacted } from "effect"
import { Mac } from "effect/crypto"
import type { HttpServerRequest } from "effect/http"
import { HttpApiBuilder, HttpApiMiddleware } from "effect/http-api"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Commands } from "@marketplace/service/Commands"
import { MerchantOnly, SimulatorApi, Switched, ValidatesInput } from "./Api.ts"
import { Faults } from "./Faults.ts"
import { Payments } from "./Payments.ts"
import { Down, NotFound, Refused, saying, ServerFailed, Unauthorized } from "./Refusals.ts"
import { Settings } from "./Settings.ts"

/** Ends the connection without a word. */
const cut = (request: HttpServerRequest.HttpServerRequest) =>
  Effect.andThen(Effect.sync(() => NodeHttpServerRequest.toIncomingMessage(request).socket.destroy()), Effect.never)

/** As good as never for a caller with a deadline; one without is not kept for ever. */
const neverAnswer = (request: HttpServerRequest.HttpServerRequest) => Effect.andThen(Effect.sleep("1 minute"), cut(request))

const failed = Effect.suspend(() => Effect.fail(new ServerFailed(saying("FAILED_INTERNAL_SYSTEM_PROCESSING"))))

const checkout = HttpApiBuilder.group(SimulatorApi, "checkout", Effect.fn(function*(handlers) {
  const faults = yield* Faults
  const payments = yield* Payments
  return handlers.handleAll({
    approve: Effect.fn(function*({ payload }) {
      yield* faults.planByAmount(payload.paymentId, payload.amount)
      return yield* payments.approve(payload)
    })
  })
}))

/** A provider finishes what it has begun, whether its caller still waits or not: money moves in commands. */
const payments = HttpApiBuilder.group(SimulatorApi, "payments", Effect.fn(function*(handlers) {
  const commands = yield* Commands
  const faults = yield* Faults
  const payments = yield* Payments

  return handlers.handleAll({
    confirm: Effect.fn(function*({ headers, payload, request }) {
      const before = yield* faults.strike(payload.orderId, "confirming")
      if (before?.fault === "TIME_OUT") return yield* neverAnswer(request)
      if (before?.fault === "SERVER_ERROR") return yield* failed
      if (before?.fault === "DECLINE") yield* payments.refuse(payload.orderId)
      const delay = before?.fault === "SLOW" ? before.delayMillis : 0
      const payment = yield* commands.run(Effect.delay(payments.confirm(payload, headers["idempotency-key"]), delay))
      const after = yield* faults.strike(payload.orderId, "captured")
      if (after?.fault === "CAPTURE_TIME_OUT") return yield* neverAnswer(request)
      if (after?.fault === "CAPTURE_SERVER_ERROR") return yield* failed
      if (after?.fault === "CAPTURE_CUT") return yield* cut(request)
      return payment
    }),

    find: Effect.fn(function*({ params }) {
      const hidden = yield* faults.strike(params.orderId, "finding")
      return hidden === undefined ? yield* payments.find(params.orderId) : yield* new NotFound(saying("NOT_FOUND_PAYMENT"))
    }),

    cancel: Effect.fn(function*({ headers, params, payload, request }) {
      const order = yield* payments.orderOf(params.paymentKey)
      if ((yield* faults.strike(order, "refunding")) !== undefined) return yield* new Refused(saying("REFUND_REJECTED"))
      const asked = { paymentKey: params.paymentKey, amount: payload.cancelAmount, reason: payload.cancelReason }
      const payment = yield* commands.run(payments.cancel(asked, headers["idempotency-key"]))
      if ((yield* faults.strike(order, "refunded")) !== undefined) return yield* neverAnswer(request)
      return payment
    })
  })
}))

const control = HttpApiBuilder.group(SimulatorApi, "control", Effect.fn(function*(handlers) {
  const faults = yield* Faults
  const payments = yield* Payments
  return handlers.handleAll({
    journal: Effect.fn(function*({ query }) {
      return { entries: yield* payments.journal(query.after, query.limit) }
    }),
    plan: ({ params, payload }) => faults.plan(params.orderId, payload.faults),
    script: ({ params }) => faults.script(params.orderId),
    switch: ({ payload }) => faults.switchTo(payload.down),
    switched: () => faults.switched
  })
}))

const merchantOnly = Layer.effect(MerchantOnly, Effect.gen(function*() {
  const { secret } = yield* Settings
  const encoder = new TextEncoder()
  const expected = encoder.encode(Redacted.value(secret))
  return MerchantOnly.of({
    basic: (operation, { credential }) =>
      Mac.timingSafeEqual(encoder.encode(credential.username), expected)
        ? operation
        : Effect.fail(new Unauthorized(saying("UNAUTHORIZED_KEY")))
  })
}))

const switched = Layer.effect(Switched, Effect.gen(function*() {
  const faults = yield* Faults
  return Switched.of(Effect.fn(function*(operation) {
    return (yield* faults.isDown) ? yield* new Down(saying("SERVICE_UNAVAILABLE")) : yield* operation
  }))
}))

const validatesInput = HttpApiMiddleware.layerSchemaErrorTransform(ValidatesInput, (error) =>
  error.kind === "Body" || error.kind === "ResponseHeaders"
    ? Effect.fail(error)
    : Effect.fail(new Refused({ ...saying("INVALID_REQUEST"), message: error.cause.message })))

/** The provider's API. Decoding and authentication are done: ask the books, and do what the script says. */
export const Http = Layer.mergeAll(checkout, payments, control).pipe(Layer.provideMerge([merchantOnly, switched, validatesInput]))
