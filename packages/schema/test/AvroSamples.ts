import { Money } from "@marketplace/domain/Money"
import { OrderId } from "@marketplace/domain/Order/Ids"
import { EnterpriseId, MemberId } from "@marketplace/domain/User/Ids"
import { DateTime, Schema } from "effect"

export const orderId = OrderId.make("0190b5f8-1d2c-7abc-8def-000000000001")
const memberId = MemberId.make("0190b5f8-1d2c-7abc-8def-000000000002")
const enterpriseId = EnterpriseId.make("0190b5f8-1d2c-7abc-8def-000000000003")
export const won = (amount: number) => new Money({ amount, currency: "KRW" })

export class Parcel extends Schema.TaggedClass<Parcel>()("Parcel", {
  carrier: Schema.String,
  weightGrams: Schema.NullOr(Schema.Int),
  handedOverAt: Schema.optionalKey(Schema.DateTimeUtcFromString)
}) {}

/** An event with all that events have. */
export const Placed = Schema.TaggedStruct("Placed", {
  orderId: OrderId,
  memberId: MemberId.annotate({ description: "Who buys" }),
  status: Schema.Literals(["placed", "preparing"]),
  gift: Schema.Boolean,
  total: Money.annotateKey({ description: "What the buyer pays" }),
  lines: Schema.Array(Schema.Struct({ enterpriseId: EnterpriseId, quantity: Schema.Int, price: Money })),
  note: Schema.optionalKey(Schema.String),
  coupon: Schema.NullOr(Schema.String),
  placedAt: Schema.DateTimeUtcFromMillis
}).annotate({ description: "A buyer placed an order" })

export const placed: typeof Placed.Type = {
  _tag: "Placed",
  orderId,
  memberId,
  status: "placed",
  gift: false,
  total: won(30_000),
  lines: [{ enterpriseId, quantity: 3, price: won(10_000) }],
  coupon: null,
  placedAt: DateTime.makeUnsafe("2026-11-25T00:00:00Z")
}

export const epoch = DateTime.makeUnsafe(0)
