import { Context, Effect, Layer, type Result } from "effect"
import { SecureRandom } from "effect/crypto"
import { SqlClient } from "effect/sql"
import type { Change } from "@marketplace/domain/Change"
import type { IllegalTransition } from "@marketplace/domain/Lifecycle"
import type { Money } from "@marketplace/domain/Money"
import { draft, type TotalChanged, type VariantsNotSellable, type Wanted } from "@marketplace/domain/Order/Checkout"
import type { OrderEvent } from "@marketplace/domain/Order/Events"
import { OrderId } from "@marketplace/domain/Order/Ids"
import { type Order, reject, reserved } from "@marketplace/domain/Order/Order"
import type { MemberId } from "@marketplace/domain/User/Ids"
import type { IdempotencyKeyReused, RequestInFlight } from "@marketplace/schema/Problems"
import { type CalleeUnavailable, ProductClient } from "@marketplace/service/Clients"
import { Commands } from "@marketplace/service/Commands"
import { type Answer, Idempotency, type IdempotentRequest } from "@marketplace/service/Idempotency"
import { OrderRepository } from "./Orders/Repository.ts"
import { Settings } from "./Settings.ts"
import { placingAnswer } from "./Views.ts"

export interface Placing {
  readonly memberId: MemberId
  readonly lines: ReadonlyArray<Wanted>
  readonly expectedTotal: Money
  readonly request: IdempotentRequest
}

/** How placing ended: with a decided order, or with what was answered the first time. */
export type Placed = { readonly _tag: "Decided"; readonly order: Order } | { readonly _tag: "Answered"; readonly answer: Answer }

/**
 * Places orders. Between its three commits (order PLACING · stock held at product · order AWAITING_PAYMENT or REJECTED)
 * anything may die: the same idempotency key goes on with the same order, and so does the sweeper.
 */
export class Checkout extends Context.Service<Checkout, {
  /** A refusal by price or sale stores nothing; an unavailable product leaves the order to be resumed. */
  readonly place: (placing: Placing) => Effect.Effect<
    Placed,
    VariantsNotSellable | TotalChanged | CalleeUnavailable | IdempotencyKeyReused | RequestInFlight
  >
  /** Drives an order that is still PLACING to its decision. */
  readonly proceed: (order: Order) => Effect.Effect<Order, CalleeUnavailable>
}>()("@marketplace/order/Checkout") {
  static readonly layer = Layer.effect(Checkout, Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const orders = yield* OrderRepository
    const products = yield* ProductClient
    const idempotency = yield* Idempotency
    const commands = yield* Commands
    const random = yield* SecureRandom.SecureRandom
    const { paymentWindow, placingTimeout } = yield* Settings

    /** Somebody else may have decided meanwhile, key and sweeper alike: then that decision stands. */
    const decide = (id: OrderId, rule: (order: Order) => Result.Result<Change<Order, OrderEvent>, IllegalTransition>) =>
      orders.update(id, rule).pipe(
        Effect.tap((order) => idempotency.complete(id, placingAnswer(order))),
        sql.withTransaction,
        Effect.catchTag("IllegalTransition", () => orders.find(id)),
        Effect.orDie
      )

    const proceed = Effect.fn("Checkout.proceed")(function*(order: Order) {
      if (order.status !== "PLACING") return order
      const sellers = new Map(order.sellerOrders.map(({ enterpriseId, id }) => [id, enterpriseId]))
      const lines = order.lines.flatMap(({ quantity, sellerOrderId, unitPrice, variantId }) => {
        const enterpriseId = sellers.get(sellerOrderId)
        return enterpriseId === undefined ? [] : [{ variantId, quantity, unitPrice, enterpriseId }]
      })
      return yield* products.ReserveStock({ orderId: order.id, lines }).pipe(
        Effect.andThen(decide(order.id, reserved)),
        Effect.catchTag("ReservationRefused", ({ reason }) => decide(order.id, reject(reason === "RELEASED" ? "OUT_OF_STOCK" : reason)))
      )
    })

    const start = Effect.fnUntraced(function*({ expectedTotal, lines, memberId, request }: Placing) {
      const quotes = yield* products.QuoteVariants({ variantIds: lines.map(({ variantId }) => variantId) })
      const ids = yield* Effect.all(Array.from({ length: lines.length * 2 }, () => random.uuidV7()))
      const order = yield* Effect.fromResult(
        draft({ orderId: OrderId.make(request.resourceId), memberId, lines, quotes, expectedTotal, ids })
      )
      const begun = yield* Effect.gen(function*() {
        const begun = yield* idempotency.begin(request)
        if (begun._tag === "Started") yield* orders.insert(order, { payment: paymentWindow, placing: placingTimeout })
        return begun
      }).pipe(sql.withTransaction, Effect.catchTag("SqlError", Effect.die))
      return begun
    })

    const place = Effect.fn("Checkout.place")(function*(placing: Placing) {
      const known = yield* idempotency.lookup(placing.request)
      const begun = known ?? (yield* start(placing))
      if (begun._tag === "Answered") return { _tag: "Answered" as const, answer: begun.answer }
      const order = yield* Effect.orDie(orders.find(OrderId.make(begun.resourceId)))
      return yield* proceed(order).pipe(
        Effect.map((order) => ({ _tag: "Decided" as const, order })),
        Effect.tapError(() => idempotency.suspend(placing.request))
      )
    })

    return Checkout.of({ place: (placing) => commands.run(place(placing)), proceed })
  }))
}
