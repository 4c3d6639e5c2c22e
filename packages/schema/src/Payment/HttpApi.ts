import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiError, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Money } from "@marketplace/domain/Money"
import { OrderId } from "@marketplace/domain/Order/Ids"
import { PaymentId, RefundId } from "@marketplace/domain/Payment/Ids"
import { PaymentMethod, PaymentNotPossible, PaymentStatus } from "@marketplace/domain/Payment/Payment"
import { RefundReason, RefundStatus } from "@marketplace/domain/Payment/Refund"
import { MemberOnly } from "../Access.ts"
import { OrderUnknown } from "../Order/HttpApi.ts"
import { IdempotencyKeyReused, RequestInFlight, Unavailable, ValidatesRequests } from "../Problems.ts"
import { conventions, idempotent, summary } from "../Requests.ts"

export class PaymentUnknown extends HttpApiError.Problem<PaymentUnknown>()("PaymentUnknown", {
  type: "/problems/payment-not-found",
  status: 404,
  title: "You have no such payment"
}, { paymentId: PaymentId }) {}

export class NotPayable extends HttpApiError.Problem<NotPayable>()("NotPayable", {
  type: "/problems/not-payable",
  status: 409,
  title: "The order takes no payment now"
}, { reason: Schema.Literals([...PaymentNotPossible.fields.reason.literals, "NOT_AWAITING_PAYMENT"]) }) {}

export class WrongAmount extends HttpApiError.Problem<WrongAmount>()("WrongAmount", {
  type: "/problems/wrong-amount",
  status: 409,
  title: "The amount is not the payment's; nothing was charged"
}, { expected: Money, actual: Money }) {}

export class NotConfirmable extends HttpApiError.Problem<NotConfirmable>()("NotConfirmable", {
  type: "/problems/not-confirmable",
  status: 409,
  title: "The payment cannot be confirmed in its state"
}, { paymentStatus: PaymentStatus.State }) {}

export class PaymentDeclined extends HttpApiError.Problem<PaymentDeclined>()("PaymentDeclined", {
  type: "/problems/payment-declined",
  status: 402,
  title: "The provider declined the payment; nothing was charged, try another method"
}, { paymentId: PaymentId, reason: Schema.String }) {}

export class PaymentView extends Schema.Class<PaymentView>("PaymentView")({
  id: PaymentId,
  orderId: OrderId,
  amount: Money,
  method: PaymentMethod,
  provider: Schema.String,
  status: PaymentStatus.State,
  failure: Schema.NullOr(Schema.String),
  /** Where the buyer approves the payment; null once there is nothing left to approve. */
  checkoutUrl: Schema.NullOr(Schema.String)
}) {}

export class RefundView extends Schema.Class<RefundView>("RefundView")({
  id: RefundId,
  paymentId: PaymentId,
  orderId: OrderId,
  amount: Money,
  reason: RefundReason,
  status: RefundStatus.State
}) {}

export class PaymentsGroup extends HttpApiGroup.make("payments")
  .add(
    HttpApiEndpoint.post("create", "/v1/payments", {
      headers: idempotent,
      payload: Schema.Struct({ orderId: OrderId, method: PaymentMethod }),
      success: PaymentView.pipe(HttpApiSchema.status(201)),
      error: [OrderUnknown, NotPayable, IdempotencyKeyReused, RequestInFlight, Unavailable]
    }).annotateMerge(summary("Start to pay an order; the buyer approves at `checkoutUrl`")),
    HttpApiEndpoint.post("confirm", "/v1/payments/:id/confirmation", {
      params: { id: PaymentId },
      headers: idempotent,
      payload: Schema.Struct({ providerPaymentKey: Schema.NonEmptyString.check(Schema.isMaxLength(200)), amount: Money }),
      success: PaymentView,
      error: [PaymentUnknown, NotPayable, WrongAmount, NotConfirmable, PaymentDeclined, IdempotencyKeyReused, RequestInFlight, Unavailable]
    }).annotateMerge(summary("Capture an approved payment; UNKNOWN means that the platform finds out by itself")),
    HttpApiEndpoint.get("get", "/v1/payments/:id", { params: { id: PaymentId }, success: PaymentView, error: [PaymentUnknown, Unavailable] })
      .annotateMerge(summary("Read one of your payments")),
    HttpApiEndpoint.get("list", "/v1/payments", {
      query: { order: OrderId },
      success: Schema.Array(PaymentView),
      error: Unavailable
    }).annotateMerge(summary("List the payments of one of your orders, oldest first"))
  )
  .middleware(MemberOnly)
{}

export class RefundsGroup extends HttpApiGroup.make("refunds")
  .add(
    HttpApiEndpoint.get("list", "/v1/refunds", { query: { order: OrderId }, success: Schema.Array(RefundView), error: Unavailable })
      .annotateMerge(summary("List the refunds of one of your orders"))
  )
  .middleware(MemberOnly)
{}

export class PaymentApi extends HttpApi.make("payment")
  .add(PaymentsGroup, RefundsGroup)
  .annotateMerge(OpenApi.annotations({ title: "Payment", version: "1.0.0" }))
  .annotateMerge(conventions)
  .middleware(ValidatesRequests)
{}
