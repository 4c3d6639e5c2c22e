import type { Order } from "@marketplace/domain/Order/Order"
import { OrderLineView, OrderRejected, OrderView, SellerOrderView } from "@marketplace/schema/Order/HttpApi"

/** An order as its buyer sees it. */
export const orderView = (order: Order): OrderView =>
  new OrderView({
    id: order.id,
    status: order.status,
    total: order.total,
    paymentDeadline: order.paymentDeadline,
    rejection: order.rejection,
    createdAt: order.createdAt,
    sellerOrders: order.sellerOrders.map((part) =>
      new SellerOrderView({
        id: part.id,
        enterpriseId: part.enterpriseId,
        status: part.status,
        shippingFee: part.shippingFee,
        total: part.total,
        lines: order.lines.filter(({ sellerOrderId }) => sellerOrderId === part.id).map(({ sellerOrderId: _, ...line }) => new OrderLineView(line))
      })
    )
  })

/** How placing an order is answered once it is decided: the order, or why its goods could not be held. */
export const placingAnswer = (order: Order): OrderView | OrderRejected =>
  order.rejection === null ? orderView(order) : new OrderRejected({ orderId: order.id, reason: order.rejection })
