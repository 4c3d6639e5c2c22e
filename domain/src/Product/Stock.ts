import { Result, Schema } from "effect"
import { ProductStockChanged } from "./Events.ts"
import { ProductId, VariantId } from "./Ids.ts"

/** Units of one variant. `available = onHand − held − committed`, never negative; consumed units have left `onHand`. */
export class Stock extends Schema.Class<Stock>("Stock")({
  variantId: VariantId,
  productId: ProductId,
  onHand: Schema.Int,
  held: Schema.Int,
  committed: Schema.Int,
  consumed: Schema.Int,
  /** Number of ProductStockChanged events so far. */
  sequence: Schema.Int
}) {}

export const available = ({ committed, held, onHand }: Stock): number => onHand - held - committed

/** Units that buyers paid for. */
export const sold = ({ committed, consumed }: Stock): number => committed + consumed

/** Where the units that an order reserved of one variant are now. A unit is in exactly one of them. */
export class Reservation extends Schema.Class<Reservation>("Reservation")({
  variantId: VariantId,
  held: Schema.Int,
  committed: Schema.Int,
  consumed: Schema.Int,
  released: Schema.Int,
  restocked: Schema.Int
}) {}

/** How far a variant falls short of what was asked. */
export class OutOfStock extends Schema.TaggedError<OutOfStock>()("OutOfStock", {
  variantId: VariantId,
  requested: Schema.Int,
  available: Schema.Int
}) {}

export interface StockChange {
  readonly stock: Stock
  readonly reservation: Reservation
  readonly event: ProductStockChanged
}

const untouched = (variantId: VariantId) => new Reservation({ variantId, held: 0, committed: 0, consumed: 0, released: 0, restocked: 0 })

const changed = (stock: Stock, to: Partial<Pick<Stock, "held" | "committed">>, reservation: Reservation): StockChange => {
  const next = new Stock({ ...stock, ...to, sequence: stock.sequence + 1 })
  return {
    stock: next,
    reservation,
    event: ProductStockChanged.make({ productId: next.productId, variantId: next.variantId, available: available(next), sold: sold(next) })
  }
}

/** Holds units for an order that is not paid yet. */
export const hold = (stock: Stock, quantity: number): Result.Result<StockChange, OutOfStock> =>
  available(stock) < quantity
    ? Result.fail(new OutOfStock({ variantId: stock.variantId, requested: quantity, available: available(stock) }))
    : Result.succeed(changed(stock, { held: stock.held + quantity }, new Reservation({ ...untouched(stock.variantId), held: quantity })))

/** The order is paid: what is held becomes sold. Nothing held means nothing to do. */
export const commit = (stock: Stock, reservation: Reservation): StockChange | undefined =>
  reservation.held === 0 ? undefined : changed(
    stock,
    { held: stock.held - reservation.held, committed: stock.committed + reservation.held },
    new Reservation({ ...reservation, held: 0, committed: reservation.committed + reservation.held })
  )

/** The order came to nothing: what is held goes back on sale. */
export const release = (stock: Stock, reservation: Reservation): StockChange | undefined =>
  reservation.held === 0 ? undefined : changed(
    stock,
    { held: stock.held - reservation.held },
    new Reservation({ ...reservation, held: 0, released: reservation.released + reservation.held })
  )
