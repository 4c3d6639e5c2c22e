import { DateTime, Result } from "effect"
import { standard } from "../src/Order/Commission.ts"
import { draft, VariantQuote, type Wanted } from "../src/Order/Checkout.ts"
import { OrderId } from "../src/Order/Ids.ts"
import { Order } from "../src/Order/Order.ts"
import { type Currency, Money } from "../src/Money.ts"
import { ProductId, VariantId } from "../src/Product/Ids.ts"
import { LocalizedText } from "../src/Product/Product.ts"
import { EnterpriseId, MemberId } from "../src/User/Ids.ts"

export const uuid = (n: number) => `01890a5d-ac96-774b-8000-${n.toString(16).padStart(12, "0")}`
export const krw = (amount: number) => new Money({ amount, currency: "KRW" })
export const memberId = MemberId.make(uuid(1))
export const orderId = OrderId.make(uuid(2))
export const variantId = (n: number) => VariantId.make(uuid(1_000 + n))
export const ids = Array.from({ length: 200 }, (_, n) => uuid(10_000 + n))

export const quote = (n: number, price: number, options: { seller?: number; sellable?: boolean; currency?: Currency } = {}) =>
  new VariantQuote({
    variantId: variantId(n),
    productId: ProductId.make(uuid(2_000 + n)),
    enterpriseId: EnterpriseId.make(uuid(3_000 + (options.seller ?? 1))),
    name: new LocalizedText({ ko: `상품 ${n}`, en: `Product ${n}` }),
    unitPrice: new Money({ amount: price, currency: options.currency ?? "KRW" }),
    sellable: options.sellable ?? true,
    commission: standard
  })

export const request = (lines: ReadonlyArray<Wanted>, quotes: ReadonlyArray<VariantQuote>, expected: number) =>
  draft({ orderId, memberId, lines, quotes, expectedTotal: krw(expected), ids })

/** Two sellers' goods for 25,000 won, being placed. */
export const placing = () => {
  const made = Result.getOrThrow(request(
    [{ variantId: variantId(1), quantity: 2 }, { variantId: variantId(2), quantity: 1 }],
    [quote(1, 10_000), quote(2, 5_000, { seller: 2 })],
    25_000
  ))
  const now = DateTime.makeUnsafe("2026-11-25T00:00:00Z")
  return new Order({ ...made, createdAt: now, paymentDeadline: DateTime.add(now, { minutes: 30 }) })
}
