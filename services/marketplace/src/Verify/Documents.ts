import { Effect } from "effect"
import type { Product } from "@marketplace/domain/Product/Product"
import { Mongo } from "@marketplace/mongo/Mongo"
import { type Carrier, collection } from "@marketplace/product/Products/PendingEvents"
import type { Shown } from "./Sources.ts"

type Stored = Carrier & Omit<typeof Product.Encoded, "id">

/** The catalogue in MongoDB, a row per variant. */
export const read = Effect.gen(function*() {
  const mongo = yield* Mongo
  const found = yield* mongo.run(() =>
    mongo.collection<Stored>(collection)
      .find({}, { projection: { enterpriseId: 1, variants: 1, "pending.occurredAt": 1 } }).toArray()
  )
  return found.flatMap(({ _id, enterpriseId, pending, variants }) =>
    variants.map(({ available, id, sold, stockSequence }): Shown => ({
      product_id: _id,
      enterprise_id: enterpriseId,
      variant_id: id,
      available,
      sold,
      stock_sequence: stockSequence,
      waiting_since: pending[0]?.occurredAt.toISOString() ?? null
    }))
  )
})
