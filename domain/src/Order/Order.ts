import { Result, Schema } from "effect"
import type { Change } from "../Change.ts"
import * as Lifecycle from "../Lifecycle.ts"
import { Money } from "../Money.ts"
import { LocalizedText } from "../Product/Product.ts"
import { ProductId, VariantId } from "../Product/Ids.ts"
import { EnterpriseId, MemberId } from "../User/Ids.ts"
import { OrderCreated, type OrderEvent, OrderStatusChanged } from "./Events.ts"
import { OrderId, OrderLineId, SellerOrderId } from "./Ids.ts"

export const OrderStatus = Lifecycle.make("order", {
  states: ["PLACING", "AWAITING_PAYMENT", "PLACED", "REJECTED", "EXPIRED", "CANCELLED"],
  initial: "PLACING",
  on: {
    reserved: { PLACING: "AWAITING_PAYMENT" },
    reject: { PLACING: "REJECTED" },
    pay: { AWAITING_PAYMENT: "PLACED" },
    expire: { AWAITING_PAYMENT: "EXPIRED" },
    cancel: { AWAITING_PAYMENT: "CANCELLED" }
  }
})

export const SellerOrderStatus = Lifecycle.make("seller-order", {
  states: ["PENDING_PAYMENT", "PAID", "PREPARING", "SHIPPING", "DELIVERED", "CONFIRMED", "RETURNED", "CANCELLED"],
  initial: "PENDING_PAYMENT",
  on: {
    pay: { PENDING_PAYMENT: "PAID" },
    drop: { PENDING_PAYMENT: "CANCELLED" },
    accept: { PAID: "PREPARING" },
    cancel: { PAID: "CANCELLED", PREPARING: "CANCELLED", SHIPPING: "CANCELLED" },
    handOver: { PREPARING: "SHIPPING" },
    deliver: { SHIPPING: "DELIVERED" },
    confirm: { DELIVERED: "CONFIRMED" },
    returned: { DELIVERED: "RETURNED" }
  }
})

/** One variant of a seller order. Name and price are frozen at checkout. */
export class OrderLine extends Schema.Class<OrderLine>("OrderLine")({
  id: OrderLineId,
  sellerOrderId: SellerOrderId,
  productId: ProductId,
  variantId: VariantId,
  name: LocalizedText,
  unitPrice: Money,
  quantity: Schema.Int,
  total: Money
}) {}

/** One seller's part of an order. `total = lines + shippingFee = sellerShare + commission + commissionVat`. */
export class SellerOrder extends Schema.Class<SellerOrder>("SellerOrder")({
  id: SellerOrderId,
  enterpriseId: EnterpriseId,
  status: SellerOrderStatus.State,
  shippingFee: Money,
  total: Money,
  commission: Money,
  commissionVat: Money,
  sellerShare: Money
}) {}

/** Why an order came to nothing before it could be paid. */
export const Rejection = Schema.Literals(["OUT_OF_STOCK", "PRICE_CHANGED", "NOT_SELLABLE"])
export type Rejection = typeof Rejection.Type

/** What one buyer ordered in one checkout, split by seller. */
export class Order extends Schema.Class<Order>("Order")({
  id: OrderId,
  memberId: MemberId,
  status: OrderStatus.State,
  total: Money,
  lines: Schema.Array(OrderLine),
  sellerOrders: Schema.Array(SellerOrder),
  /** Unless it is paid by then, the order expires. */
  paymentDeadline: Schema.DateTimeUtcFromMillis,
  rejection: Schema.NullOr(Rejection),
  createdAt: Schema.DateTimeUtcFromMillis
}) {}

export class OrderNotFound extends Schema.TaggedError<OrderNotFound>()("OrderNotFound", { orderId: OrderId }) {}

type Outcome = Result.Result<Change<Order, OrderEvent>, Lifecycle.IllegalTransition>

/** Every line is held for the buyer: the order exists for the others from now on. */
export const reserved = (order: Order): Outcome =>
  Result.map(OrderStatus.next(order.status, "reserved"), (status) => ({
    state: new Order({ ...order, status }),
    events: [OrderCreated.make({
      orderId: order.id,
      memberId: order.memberId,
      total: order.total,
      sellerOrders: order.sellerOrders.map(({ enterpriseId, id, total }) => ({ sellerOrderId: id, enterpriseId, total })),
      paymentDeadline: order.paymentDeadline
    })]
  }))

/** Product refused the reservation; nothing is held. */
export const reject = (rejection: Rejection) => (order: Order): Outcome =>
  Result.map(OrderStatus.next(order.status, "reject"), (status) => ({
    state: new Order({ ...order, status, rejection }),
    events: [orderMoved(order, status, "reject")]
  }))

/** The whole amount is captured. */
export const pay = (order: Order): Outcome => settle(order, "pay", "pay")

/** Payment is sealed and the deadline is over. */
export const expire = (order: Order): Outcome => settle(order, "expire", "drop")

const settle = (order: Order, event: "pay" | "expire" | "cancel", part: "pay" | "drop"): Outcome =>
  Result.gen(function*() {
    const status = yield* OrderStatus.next(order.status, event)
    const sellerOrders: Array<SellerOrder> = []
    const events: Array<OrderEvent> = [orderMoved(order, status, event)]
    for (const current of order.sellerOrders) {
      const next = new SellerOrder({ ...current, status: yield* SellerOrderStatus.next(current.status, part) })
      sellerOrders.push(next)
      events.push(OrderStatusChanged.make({
        orderId: order.id,
        memberId: order.memberId,
        scope: "sellerOrder",
        sellerOrderId: current.id,
        from: current.status,
        to: next.status,
        cause: part
      }))
    }
    return { state: new Order({ ...order, status, sellerOrders }), events }
  })

const orderMoved = (order: Order, to: typeof OrderStatus.State.Type, cause: string): OrderEvent =>
  OrderStatusChanged.make({ orderId: order.id, memberId: order.memberId, scope: "order", sellerOrderId: null, from: order.status, to, cause })
