import { Schema } from "effect"
import { Money } from "../Money.ts"
import { EnterpriseId, MemberId } from "../User/Ids.ts"
import { OrderId, SellerOrderId } from "./Ids.ts"

/** What the Order context tells the others. */
export const OrderEvent = Schema.TaggedUnion({
  OrderCreated: {
    orderId: OrderId,
    memberId: MemberId,
    total: Money,
    sellerOrders: Schema.Array(Schema.Struct({ sellerOrderId: SellerOrderId, enterpriseId: EnterpriseId, total: Money })
      .annotate({ identifier: "SellerOrderCreated" })),
    paymentDeadline: Schema.DateTimeUtcFromMillis
  },
  OrderStatusChanged: {
    orderId: OrderId,
    memberId: MemberId,
    scope: Schema.Literals(["order", "sellerOrder"]),
    sellerOrderId: Schema.NullOr(SellerOrderId).annotate({ description: "Null when the order as a whole moved" }),
    from: Schema.String,
    to: Schema.String,
    cause: Schema.String.annotate({ description: "The lifecycle's event that moved it" })
  }
})
export type OrderEvent = typeof OrderEvent.Type
export const { OrderCreated, OrderStatusChanged } = OrderEvent.cases
export type OrderStatusChanged = typeof OrderStatusChanged.Type
