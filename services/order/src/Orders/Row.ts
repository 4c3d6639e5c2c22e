import { Schema } from "effect"
import type { Statement } from "effect/sql"
import type { SqlClient } from "effect/sql"
import type { OrderDraft } from "@marketplace/domain/Order/Checkout"
import { Order } from "@marketplace/domain/Order/Order"

/** An order as one JSON value in the shape of the domain class, so that one statement reads all its parts. */
export const Row = Schema.Struct({ order: Order, sequence: Schema.Int, version: Schema.Int })

/** What payment needs to know of an order, from its own row alone. */
export const Head = Schema.Struct({
  memberId: Order.fields.memberId,
  status: Order.fields.status,
  total: Order.fields.total,
  paymentDeadline: Order.fields.paymentDeadline
})
export type Head = typeof Head.Type

/** What the database adds to an order when it is stored. */
export const Inserted = Schema.Struct({
  createdAt: Order.fields.createdAt,
  paymentDeadline: Order.fields.paymentDeadline,
  sequence: Schema.Int,
  version: Schema.Int
})

const millis = (column: string) => `floor(extract(epoch from ${column}) * 1000)`

/** The columns of `Inserted`, from `orders`. */
export const inserted = (sql: SqlClient.SqlClient): Statement.Fragment =>
  sql.literal(`
    ${millis("created_at")}::float8 as created_at, ${millis("payment_deadline")}::float8 as payment_deadline, sequence, version`)

/** The columns of `Head`, from `orders`. */
export const head = (sql: SqlClient.SqlClient): Statement.Fragment =>
  sql.literal(`
    member_id, status, jsonb_build_object('amount', total, 'currency', currency) as total,
    ${millis("payment_deadline")}::float8 as payment_deadline`)

/** The columns of `Row`, from `orders o`. */
export const columns = (sql: SqlClient.SqlClient): Statement.Fragment =>
  sql.literal(`
    o.sequence, o.version,
    jsonb_build_object(
      'id', o.id, 'memberId', o.member_id, 'status', o.status, 'rejection', o.rejection,
      'total', jsonb_build_object('amount', o.total, 'currency', o.currency),
      'createdAt', ${millis("o.created_at")},
      'paymentDeadline', ${millis("o.payment_deadline")},
      'sellerOrders', (
        select jsonb_agg(jsonb_build_object(
          'id', s.id, 'enterpriseId', s.enterprise_id, 'status', s.status,
          'shippingFee', jsonb_build_object('amount', s.shipping_fee, 'currency', o.currency),
          'total', jsonb_build_object('amount', s.total, 'currency', o.currency),
          'commission', jsonb_build_object('amount', s.commission, 'currency', o.currency),
          'commissionVat', jsonb_build_object('amount', s.commission_vat, 'currency', o.currency),
          'sellerShare', jsonb_build_object('amount', s.seller_share, 'currency', o.currency)
        ) order by s.position) from seller_order s where s.order_id = o.id),
      'lines', (
        select jsonb_agg(jsonb_build_object(
          'id', l.id, 'sellerOrderId', l.seller_order_id, 'productId', l.product_id, 'variantId', l.variant_id, 'name', l.name,
          'unitPrice', jsonb_build_object('amount', l.unit_price, 'currency', o.currency),
          'quantity', l.quantity,
          'total', jsonb_build_object('amount', l.total, 'currency', o.currency)
        ) order by l.position) from order_line l where l.order_id = o.id)
    ) as "order"`)

/** Rows of `seller_order`, in their order. */
export const partsJson = ({ sellerOrders }: OrderDraft): string =>
  JSON.stringify(sellerOrders.map((part) => ({
    id: part.id,
    enterprise_id: part.enterpriseId,
    status: part.status,
    shipping_fee: part.shippingFee.amount,
    total: part.total.amount,
    commission: part.commission.amount,
    commission_vat: part.commissionVat.amount,
    seller_share: part.sellerShare.amount
  })))

/** Rows of `order_line`, in their order. */
export const linesJson = ({ lines }: OrderDraft): string =>
  JSON.stringify(lines.map((line) => ({
    id: line.id,
    seller_order_id: line.sellerOrderId,
    product_id: line.productId,
    variant_id: line.variantId,
    name: line.name,
    unit_price: line.unitPrice.amount,
    quantity: line.quantity,
    total: line.total.amount
  })))
