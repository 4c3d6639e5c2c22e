import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { OrderId } from "@marketplace/domain/Order/Ids"
import { Member } from "@marketplace/schema/Access"
import { NotSellable, OrderApi, OrderRejected, OrderUnknown, TimelineEntryView, TotalDiffers } from "@marketplace/schema/Order/HttpApi"
import { CursorInvalid } from "@marketplace/schema/Product/HttpApi"
import { Unavailable } from "@marketplace/schema/Problems"
import { Cursor } from "@marketplace/service/Cursor"
import { type Attempt, Idempotency } from "@marketplace/service/Idempotency"
import { Checkout, placing } from "./Checkout.ts"
import { Orders } from "./Orders.ts"
import { orderView, placingAnswer } from "./Views.ts"

/** Decoding and guarding are done; call the service, show what the contract shows, say errors in its words. */
export const Http = HttpApiBuilder.group(OrderApi, "orders", Effect.fn(function*(handlers) {
  const checkout = yield* Checkout
  const orders = yield* Orders
  const cursors = yield* Cursor
  const idempotency = yield* Idempotency

  return handlers.handleAll({
    place: Effect.fn(function*({ headers, payload }) {
      const { memberId } = yield* Member
      const place = Effect.fnUntraced(function*(attempt: Attempt<OrderId>) {
        const answer = placingAnswer(yield* checkout.place(attempt, { ...payload, memberId }))
        return answer instanceof OrderRejected ? yield* answer : answer
      })
      return yield* idempotency.attempt(placing, { caller: memberId, key: headers["idempotency-key"] }, place)
    }, Effect.catchTags({
      VariantsNotSellable: ({ variantIds }) => new NotSellable({ variantIds }),
      TotalChanged: ({ actual, expected }) => new TotalDiffers({ actual, expected }),
      CalleeUnavailable: ({ retryAfterSeconds }) => new Unavailable({ retryAfterSeconds })
    })),
    list: Effect.fn(function*({ query: { cursor, limit } }) {
      const { memberId } = yield* Member
      const before = cursor === undefined ? undefined : yield* cursors.decode("orders", OrderId, cursor)
      const items = yield* orders.list(memberId, { before, limit: limit + 1 })
      return yield* cursors.page("orders", items.map(orderView), limit)
    }, Effect.catchTag("CursorRefused", () => new CursorInvalid({}))),
    get: Effect.fn(function*({ params }) {
      const { memberId } = yield* Member
      return orderView(yield* orders.get(params.id, memberId))
    }, Effect.catchTag("OrderNotFound", ({ orderId }) => new OrderUnknown({ orderId }))),
    timeline: Effect.fn(function*({ params }) {
      const { memberId } = yield* Member
      return (yield* orders.timeline(params.id, memberId)).map((entry) => new TimelineEntryView(entry))
    }, Effect.catchTag("OrderNotFound", ({ orderId }) => new OrderUnknown({ orderId })))
  })
}))
