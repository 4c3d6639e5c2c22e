import { DateTime } from "effect"
import { Money } from "@marketplace/domain/Money"
import { OrderCreated, OrderStatusChanged } from "@marketplace/domain/Order/Events"
import { OrderId, SellerOrderId } from "@marketplace/domain/Order/Ids"
import {
  PaymentCompleted,
  PaymentCreated,
  PaymentFailed,
  RefundCompleted,
  RefundInitiated
} from "@marketplace/domain/Payment/Events"
import { PaymentId, RefundId } from "@marketplace/domain/Payment/Ids"
import { ProductCreated, ProductStockChanged } from "@marketplace/domain/Product/Events"
import { ProductId, VariantId } from "@marketplace/domain/Product/Ids"
import { MemberCreated } from "@marketplace/domain/User/Events"
import { EnterpriseId, MemberId } from "@marketplace/domain/User/Ids"
import type { EventName, MarketplaceEvent } from "../Topology.ts"

const id = (n: number) => `01941f29-7c00-7000-8000-${n.toString(16).padStart(12, "0")}`

const memberId = MemberId.make(id(1))
const enterpriseId = EnterpriseId.make(id(2))
const productId = ProductId.make(id(3))
const variantId = VariantId.make(id(4))
const orderId = OrderId.make(id(5))
const sellerOrderId = SellerOrderId.make(id(6))
const paymentId = PaymentId.make(id(7))
const refundId = RefundId.make(id(8))
const amount = new Money({ amount: 15_900, currency: "KRW" })
const payment = { paymentId, orderId, amount }
const refund = { refundId, ...payment, reason: "PAID_LATE" }

/** One event of each name: the examples of the documents, and what golden bytes are made of when a schema is released. */
export const samples: { readonly [N in EventName]: Extract<MarketplaceEvent, { readonly _tag: N }> } = {
  MemberCreated: MemberCreated.make({ memberId }),
  ProductCreated: ProductCreated.make({ productId, enterpriseId, variantIds: [variantId] }),
  ProductStockChanged: ProductStockChanged.make({ productId, variantId, available: 41, sold: 9 }),
  OrderCreated: OrderCreated.make({
    orderId,
    memberId,
    total: amount,
    sellerOrders: [{ sellerOrderId, enterpriseId, total: amount }],
    paymentDeadline: DateTime.makeUnsafe("2025-01-01T00:30:00.123Z")
  }),
  OrderStatusChanged: OrderStatusChanged.make({
    orderId,
    memberId,
    scope: "sellerOrder",
    sellerOrderId,
    from: "PENDING_PAYMENT",
    to: "PAID",
    cause: "pay"
  }),
  PaymentCreated: PaymentCreated.make({ ...payment, provider: "simulator" }),
  PaymentCompleted: PaymentCompleted.make(payment),
  PaymentFailed: PaymentFailed.make({ ...payment, reason: "INSUFFICIENT_FUNDS" }),
  RefundInitiated: RefundInitiated.make(refund),
  RefundCompleted: RefundCompleted.make(refund)
}
