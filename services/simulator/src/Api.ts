import { Effect, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiMiddleware, HttpApiSecurity, OpenApi } from "effect/http-api"
import { Currency } from "@marketplace/domain/Money"
import { PaymentId } from "@marketplace/domain/Payment/Ids"
import { PaymentMethod } from "@marketplace/domain/Payment/Payment"
import { FaultName } from "./Faults/Catalog.ts"
import { Down, NotFound, Refused, Rejected, ServerFailed, Unauthorized } from "./Refusals.ts"

/** The merchant authenticates with its secret as the user name of HTTP Basic and no password, as Toss Payments has it. */
export class MerchantOnly extends HttpApiMiddleware.Service<MerchantOnly>()("@marketplace/simulator/MerchantOnly", {
  requiredForClient: true,
  security: { basic: HttpApiSecurity.basic },
  error: Unauthorized
}) {}

/** While the simulator is switched to `down`, these operations answer 503 and do nothing. */
export class Switched extends HttpApiMiddleware.Service<Switched>()("@marketplace/simulator/Switched", { error: Down }) {}

/** Bad input is answered in the provider's form. */
export class ValidatesInput extends HttpApiMiddleware.Service<ValidatesInput>()("@marketplace/simulator/ValidatesInput", {
  error: Refused
}) {}

/** Minor units of the currency. */
const Amount = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000_000_000 }))

/** What a buyer approves. The merchant's own page made the link, so a buyer may have changed any of it. */
export const Approval = Schema.Struct({
  paymentId: PaymentId,
  amount: Amount,
  currency: Currency,
  method: PaymentMethod
})

export const PaymentKey = Schema.String.check(Schema.isPattern(/^[\x21-\x7e]{1,200}$/))

/** 1 to 300 visible characters. Used again, even for another payment, it gets the first answer again. */
const idempotent = { "idempotency-key": Schema.String.check(Schema.isPattern(/^[\x21-\x7e]{1,300}$/)) }

export class ProviderPayment extends Schema.Class<ProviderPayment>("ProviderPayment")({
  paymentKey: PaymentKey,
  /** The merchant's name of the payment. */
  orderId: PaymentId,
  /** Nothing is taken before DONE. ABORTED: refused by the buyer's bank. EXPIRED: not confirmed in time. */
  status: Schema.Literals(["IN_PROGRESS", "DONE", "PARTIAL_CANCELED", "CANCELED", "ABORTED", "EXPIRED"]),
  method: PaymentMethod,
  currency: Currency,
  /** As approved, and as taken once it is. */
  totalAmount: Schema.Int,
  /** What is left of it after refunds. */
  balanceAmount: Schema.Int,
  /** Of the capture or refund that this answer is about; null before the capture. */
  lastTransactionKey: Schema.NullOr(Schema.String),
  cancels: Schema.Array(Schema.Struct({
    transactionKey: Schema.String,
    cancelAmount: Schema.Int,
    cancelReason: Schema.String,
    canceledAt: Schema.DateTimeUtcFromString
  })),
  failure: Schema.NullOr(Schema.Struct({ code: Schema.String, message: Schema.String }))
}) {}

/** One thing that happened, once. */
export const JournalEntry = Schema.Struct({
  /** Grows with time; there may be gaps. */
  position: Schema.Int,
  kind: Schema.Literals(["APPROVAL", "CAPTURE", "REFUND"]),
  transactionKey: Schema.String,
  paymentKey: PaymentKey,
  orderId: PaymentId,
  amount: Schema.Int,
  currency: Currency,
  /** Null for approvals, and for captures that came with the approval. */
  idempotencyKey: Schema.NullOr(Schema.String),
  at: Schema.DateTimeUtcFromString
}).annotate({ identifier: "JournalEntry" })

const Times = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 }))

/** How long SLOW waits before it captures; of no meaning to others. */
const DelayMillis = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 60_000 }))

export const PlannedFault = Schema.Struct({
  fault: FaultName,
  times: Times,
  delayMillis: DelayMillis,
  /** How often it has struck: a test counts only if its fault did. */
  applied: Schema.Int
})

/** The first fault that fits a call and is not used up strikes. */
export const Script = Schema.Struct({ faults: Schema.Array(PlannedFault) }).annotate({ identifier: "Script" })

const Plan = Schema.Struct({
  faults: Schema.Array(Schema.Struct({
    fault: FaultName,
    times: Times.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1))),
    delayMillis: DelayMillis.pipe(Schema.withDecodingDefaultKey(Effect.succeed(3_000)))
  })).check(Schema.isMaxLength(20))
})

export const Switch = Schema.Struct({ down: Schema.Boolean, applied: Schema.Int })
  .annotate({ identifier: "Switch", description: "Whether all answers are 503, and how many were since it was set" })

export class CheckoutGroup extends HttpApiGroup.make("checkout")
  .add(
    HttpApiEndpoint.post("approve", "/checkout/approvals", {
      payload: Approval,
      success: Schema.Struct({ paymentKey: PaymentKey }),
      error: Refused
    }).annotateMerge(OpenApi.annotations({ summary: "Approve as the buyer would on the page; again, it gives the same key" }))
  )
  .middleware(Switched)
{}

export class PaymentsGroup extends HttpApiGroup.make("payments")
  .add(
    HttpApiEndpoint.post("confirm", "/v1/payments/confirm", {
      headers: idempotent,
      payload: Schema.Struct({ paymentKey: PaymentKey, orderId: PaymentId, amount: Amount }),
      success: ProviderPayment,
      error: [Refused, Rejected, NotFound, ServerFailed]
    }).annotateMerge(OpenApi.annotations({ summary: "Take the money of an approved payment" })),
    HttpApiEndpoint.get("find", "/v1/payments/orders/:orderId", {
      params: { orderId: PaymentId },
      success: ProviderPayment,
      error: NotFound
    }).annotateMerge(OpenApi.annotations({ summary: "Read a payment by the merchant's name of it" })),
    HttpApiEndpoint.post("cancel", "/v1/payments/:paymentKey/cancel", {
      params: { paymentKey: PaymentKey },
      headers: idempotent,
      payload: Schema.Struct({
        cancelReason: Schema.NonEmptyString.check(Schema.isMaxLength(200)),
        cancelAmount: Schema.optionalKey(Amount)
      }),
      success: ProviderPayment,
      error: [Refused, Rejected, NotFound, ServerFailed]
    }).annotateMerge(OpenApi.annotations({ summary: "Give back a part, or all that is left when no amount is given" }))
  )
  .middleware(Switched)
  .middleware(MerchantOnly)
{}

export class ControlGroup extends HttpApiGroup.make("control")
  .add(
    HttpApiEndpoint.get("journal", "/journal", {
      query: {
        after: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0))),
        limit: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000 })).pipe(
          Schema.withDecodingDefaultKey(Effect.succeed(1_000))
        )
      },
      success: Schema.Struct({ entries: Schema.Array(JournalEntry) })
    }).annotateMerge(OpenApi.annotations({ summary: "Read what happened after a position; empty at the end" })),
    HttpApiEndpoint.put("plan", "/script/:orderId", {
      params: { orderId: PaymentId },
      payload: Plan,
      success: Script
    }).annotateMerge(OpenApi.annotations({ summary: "Replace the planned faults of a payment, approved or not" })),
    HttpApiEndpoint.get("script", "/script/:orderId", { params: { orderId: PaymentId }, success: Script })
      .annotateMerge(OpenApi.annotations({ summary: "Read the planned faults of a payment" })),
    HttpApiEndpoint.put("switch", "/script", { payload: Schema.Struct({ down: Schema.Boolean }), success: Switch })
      .annotateMerge(OpenApi.annotations({ summary: "Take the provider down or up again; a restart brings it up" })),
    HttpApiEndpoint.get("switched", "/script", { success: Switch })
      .annotateMerge(OpenApi.annotations({ summary: "Read whether the provider is down" }))
  )
  .middleware(MerchantOnly)
{}

export class SimulatorApi extends HttpApi.make("simulator")
  .add(CheckoutGroup, PaymentsGroup, ControlGroup)
  .annotateMerge(OpenApi.annotations({ title: "Payment simulator", version: "1.0.0" }))
  .middleware(ValidatesInput)
{}
