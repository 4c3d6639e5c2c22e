import { Context, Effect, Layer } from "effect"
import type { SqlError } from "effect/sql"
import { equals, type Money } from "@marketplace/domain/Money"
import type { OrderId } from "@marketplace/domain/Order/Ids"
import type { VariantId } from "@marketplace/domain/Product/Ids"
import type { EnterpriseId } from "@marketplace/domain/User/Ids"
import { ReservationRefused } from "@marketplace/schema/Product/Rpc"
import { Products } from "./Products.ts"
import { Settings } from "./Settings.ts"
import { type Ended, StockRepository } from "./Stock/Repository.ts"

interface Line {
  readonly variantId: VariantId
  readonly quantity: number
  readonly unitPrice: Money
  readonly enterpriseId: EnterpriseId
}

/** Holds goods for orders. Only the order lets them go again. */
export class Reservations extends Context.Service<Reservations, {
  /** Checks price and seller once more, then holds all lines or none. The same order again is answered as before. */
  readonly reserve: (order: OrderId, lines: ReadonlyArray<Line>) => Effect.Effect<void, ReservationRefused>
  /** In the caller's transaction: the orders are paid. */
  readonly commit: (orders: ReadonlyArray<Ended>) => Effect.Effect<void, SqlError.SqlError>
  /** In the caller's transaction: the orders came to nothing. */
  readonly release: (orders: ReadonlyArray<Ended>) => Effect.Effect<void, SqlError.SqlError>
}>()("@marketplace/product/Reservations") {
  static readonly layer = Layer.effect(Reservations, Effect.gen(function*() {
    const products = yield* Products
    const stock = yield* StockRepository
    const { holdReview } = yield* Settings

    const reserve = Effect.fn("Reservations.reserve")(function*(order: OrderId, lines: ReadonlyArray<Line>) {
      const quotes = new Map((yield* products.quote(lines.map(({ variantId }) => variantId))).map((quote) => [quote.variantId, quote]))
      const foreign = lines.filter(({ enterpriseId, variantId }) => quotes.get(variantId)?.enterpriseId !== enterpriseId)
      if (foreign.length > 0) return yield* refused("NOT_SELLABLE", foreign)
      const dearer = lines.filter(({ unitPrice, variantId }) => {
        const quote = quotes.get(variantId)
        return quote === undefined || !equals(quote.unitPrice, unitPrice)
      })
      if (dearer.length > 0) return yield* refused("PRICE_CHANGED", dearer)
      yield* stock.hold(order, lines, holdReview).pipe(
        Effect.catchTags({
          OutOfStock: ({ variantId }) => refused("OUT_OF_STOCK", [{ variantId }]),
          ReservationReleased: () => refused("RELEASED", [])
        })
      )
    })

    return Reservations.of({ reserve, commit: stock.commit, release: stock.release })
  }))
}

const refused = (reason: ReservationRefused["reason"], lines: ReadonlyArray<{ readonly variantId: VariantId }>) =>
  Effect.fail(new ReservationRefused({ reason, variantIds: lines.map(({ variantId }) => variantId) }))
