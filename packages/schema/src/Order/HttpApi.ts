import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiError, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Money } from "@marketplace/domain/Money"
import { OrderId, OrderLineId, SellerOrderId } from "@marketplace/domain/Order/Ids"
import { OrderStatus, Rejection, SellerOrderStatus } from "@marketplace/domain/Order/Order"
import { ProductId, VariantId } from "@marketplace/domain/Product/Ids"
import { LocalizedText } from "@marketplace/domain/Product/Product"
import { EnterpriseId } from "@marketplace/domain/User/Ids"
import { MemberOnly } from "../Access.ts"
import { IdempotencyKeyReused, RequestInFlight, Unavailable, ValidatesRequests } from "../Problems.ts"
import { conventions, idempotent, page, pageOf, summary } from "../Requests.ts"
import { CursorInvalid } from "../Product/HttpApi.ts"

export class OrderUnknown extends HttpApiError.Problem<OrderUnknown>()("OrderUnknown", {
  type: "/problems/order-not-found",
  status: 404,
  title: "You have no such order"
}, { orderId: OrderId }) {}

export class NotSellable extends HttpApiError.Problem<NotSellable>()("NotSellable", {
  type: "/problems/not-sellable",
  status: 409,
  title: "Some of the goods are not on sale; take them out and order again"
}, { variantIds: Schema.Array(VariantId) }) {}

export class TotalDiffers extends HttpApiError.Problem<TotalDiffers>()("TotalDiffers", {
  type: "/problems/total-differs",
  status: 409,
  title: "The goods cost something else now; show the buyer the new sum and order again"
}, { expected: Money, actual: Money }) {}

export class OrderRejected extends HttpApiError.Problem<OrderRejected>()("OrderRejected", {
  type: "/problems/order-rejected",
  status: 409,
  title: "The goods could not be held for you; nothing was ordered"
}, { orderId: OrderId, reason: Rejection }) {}

export class OrderLineView extends Schema.Class<OrderLineView>("OrderLineView")({
  id: OrderLineId,
  productId: ProductId,
  variantId: VariantId,
  name: LocalizedText,
  unitPrice: Money,
  quantity: Schema.Int,
  total: Money
}) {}

export class SellerOrderView extends Schema.Class<SellerOrderView>("SellerOrderView")({
  id: SellerOrderId,
  enterpriseId: EnterpriseId,
  status: SellerOrderStatus.State,
  shippingFee: Money,
  total: Money,
  lines: Schema.Array(OrderLineView)
}) {}

export class OrderView extends Schema.Class<OrderView>("OrderView")({
  id: OrderId,
  status: OrderStatus.State,
  total: Money,
  sellerOrders: Schema.Array(SellerOrderView),
  paymentDeadline: Schema.DateTimeUtcFromString,
  rejection: Schema.NullOr(Rejection),
  createdAt: Schema.DateTimeUtcFromString
}) {}

/** One step in an order's life. */
export class TimelineEntryView extends Schema.Class<TimelineEntryView>("TimelineEntryView")({
  at: Schema.DateTimeUtcFromString,
  scope: Schema.Literals(["order", "sellerOrder"]),
  sellerOrderId: Schema.NullOr(SellerOrderId),
  from: Schema.NullOr(Schema.String),
  to: Schema.String,
  cause: Schema.String
}) {}

export const PlaceOrder = Schema.Struct({
  lines: Schema.Array(Schema.Struct({
    variantId: VariantId,
    quantity: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 999 }))
  })).check(Schema.isMinLength(1), Schema.isMaxLength(50)),
  expectedTotal: Money.annotate({ description: "What the buyer was shown; another sum is answered 409 and nothing is ordered" })
}).annotate({ identifier: "PlaceOrder" })

export class OrdersGroup extends HttpApiGroup.make("orders")
  .add(
    HttpApiEndpoint.post("place", "/", {
      headers: idempotent,
      payload: PlaceOrder,
      success: OrderView.pipe(HttpApiSchema.status(201)),
      error: [NotSellable, TotalDiffers, OrderRejected, IdempotencyKeyReused, RequestInFlight, Unavailable]
    }).annotateMerge(summary("Order goods of one or more sellers; the stock is held until the payment deadline")),
    HttpApiEndpoint.get("list", "/", { query: page, success: pageOf(OrderView), error: [CursorInvalid, Unavailable] })
      .annotateMerge(summary("List your orders, newest first")),
    HttpApiEndpoint.get("get", "/:id", { params: { id: OrderId }, success: OrderView, error: [OrderUnknown, Unavailable] })
      .annotateMerge(summary("Read one of your orders")),
    HttpApiEndpoint.get("timeline", "/:id/timeline", {
      params: { id: OrderId },
      success: Schema.Array(TimelineEntryView),
      error: [OrderUnknown, Unavailable]
    }).annotateMerge(summary("Read what happened to one of your orders"))
  )
  .prefix("/v1/orders")
  .middleware(MemberOnly)
{}

export class OrderApi extends HttpApi.make("order")
  .add(OrdersGroup)
  .annotateMerge(OpenApi.annotations({ title: "Order", version: "1.0.0" }))
  .annotateMerge(conventions)
  .middleware(ValidatesRequests)
{}
