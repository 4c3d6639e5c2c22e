import { Result, Schema } from "effect"
import { add, equals, Money, sum, times, zero } from "../Money.ts"
import { LocalizedText } from "../Product/Product.ts"
import { ProductId, VariantId } from "../Product/Ids.ts"
import { EnterpriseId, type MemberId } from "../User/Ids.ts"
import * as Commission from "./Commission.ts"
import { type OrderId, OrderLineId, SellerOrderId } from "./Ids.ts"
import { type Order, OrderLine, OrderStatus, SellerOrder, SellerOrderStatus } from "./Order.ts"

/** What product says of a variant now: what it costs, whose it is, and whether it can be ordered at all. */
export class VariantQuote extends Schema.Class<VariantQuote>("VariantQuote")({
  variantId: VariantId,
  productId: ProductId,
  enterpriseId: EnterpriseId,
  name: LocalizedText,
  unitPrice: Money,
  /** The product is active and its enterprise may sell; says nothing about stock. */
  sellable: Schema.Boolean,
  commission: Commission.CommissionRule
}) {}

/** Some variants do not exist or are not on sale. Nothing was stored. */
export class VariantsNotSellable extends Schema.TaggedError<VariantsNotSellable>()("VariantsNotSellable", {
  variantIds: Schema.Array(VariantId)
}) {}

/** The buyer agreed to another sum than the goods cost now. Nothing was stored. */
export class TotalChanged extends Schema.TaggedError<TotalChanged>()("TotalChanged", { expected: Money, actual: Money }) {}

export interface Wanted {
  readonly variantId: VariantId
  readonly quantity: number
}

/** Lines of the same variant become one, in the order in which the variants were first named. */
export const merge = (lines: ReadonlyArray<Wanted>): ReadonlyArray<Wanted> => {
  const quantities = new Map<VariantId, number>()
  for (const { quantity, variantId } of lines) quantities.set(variantId, (quantities.get(variantId) ?? 0) + quantity)
  return Array.from(quantities, ([variantId, quantity]) => ({ variantId, quantity }))
}

export interface Draft {
  readonly orderId: OrderId
  readonly memberId: MemberId
  readonly lines: ReadonlyArray<Wanted>
  readonly quotes: ReadonlyArray<VariantQuote>
  readonly expectedTotal: Money
  /** Unused ids, at least two per line: rules make none. */
  readonly ids: ReadonlyArray<string>
}

/** An order before it is stored: the database's clock gives it its times. */
export type OrderDraft = Omit<typeof Order.Type, "createdAt" | "paymentDeadline">

/** An order of frozen lines, one seller order per enterprise, or why there is none. */
export const draft = (request: Draft): Result.Result<OrderDraft, VariantsNotSellable | TotalChanged> => {
  const quotes = new Map(request.quotes.map((quote) => [quote.variantId, quote]))
  const wanted = merge(request.lines).map(({ quantity, variantId }) => ({ quantity, variantId, quote: quotes.get(variantId) }))
  const currency = request.expectedTotal.currency
  const sold = wanted.flatMap(({ quantity, quote }) =>
    quote?.sellable === true && quote.unitPrice.currency === currency ? [{ quantity, quote }] : [])
  if (sold.length < wanted.length) {
    const kept = new Set(sold.map(({ quote }) => quote.variantId))
    return Result.fail(new VariantsNotSellable({ variantIds: wanted.map((line) => line.variantId).filter((id) => !kept.has(id)) }))
  }

  const fresh = request.ids[Symbol.iterator]()
  const bySeller = Map.groupBy(sold, ({ quote }) => quote.enterpriseId)
  const lines: Array<OrderLine> = []
  const sellerOrders: Array<SellerOrder> = []
  for (const [enterpriseId, parts] of bySeller) {
    const sellerOrderId = SellerOrderId.make(String(fresh.next().value))
    const own = parts.map(({ quantity, quote }) =>
      new OrderLine({
        id: OrderLineId.make(String(fresh.next().value)),
        sellerOrderId,
        productId: quote.productId,
        variantId: quote.variantId,
        name: quote.name,
        unitPrice: quote.unitPrice,
        quantity,
        total: times(quote.unitPrice, quantity)
      }))
    const shippingFee = zero(currency)
    const parcel = add(sum(currency, own.map(({ total }) => total)), shippingFee)
    const shares = parts.map(({ quantity, quote }) => Commission.divide(times(quote.unitPrice, quantity), quote.commission))
    lines.push(...own)
    sellerOrders.push(
      new SellerOrder({
        id: sellerOrderId,
        enterpriseId,
        status: SellerOrderStatus.initial,
        shippingFee,
        total: parcel,
        commission: sum(currency, shares.map(({ commission }) => commission)),
        commissionVat: sum(currency, shares.map(({ commissionVat }) => commissionVat)),
        sellerShare: add(sum(currency, shares.map(({ sellerShare }) => sellerShare)), shippingFee)
      })
    )
  }
  const total = sum(currency, sellerOrders.map((part) => part.total))
  return equals(total, request.expectedTotal)
    ? Result.succeed({
      id: request.orderId,
      memberId: request.memberId,
      status: OrderStatus.initial,
      total,
      lines,
      sellerOrders,
      rejection: null
    })
    : Result.fail(new TotalChanged({ expected: request.expectedTotal, actual: total }))
}
