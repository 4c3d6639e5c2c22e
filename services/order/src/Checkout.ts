import { Context, Effect, Layer, type Result } from "effect"
import { SecureRandom } from "effect/crypto"
import type { Change } from "@marketplace/domain/Change"
import type { IllegalTransition } from "@marketplace/domain/Lifecycle"
import type { Money } from "@marketplace/domain/Money"
import { draft, type TotalChanged, type VariantsNotSellable, type Wanted } from "@marketplace/domain/Order/Checkout"
import type { OrderEvent } from "@marketplace/domain/Order/Events"
import { OrderId } from "@marketplace/domain/Order/Ids"
import { type Order, reject, reserved } from "@marketplace/domain/Order/Order"
import type { MemberId } from "@marketplace/domain/User/Ids"
import { crashPoint } from "@marketplace/postgres/CrashPoints"
import { OrdersGroup } from "@marketplace/schema/Order/HttpApi"
import type { RequestInFlight } from "@marketplace/schema/Problems"
import { type CalleeUnavailable, ProductClient } from "@marketplace/service/Clients"
import { type Attempt, Idempotency, operation } from "@marketplace/service/Idempotency"
import { OrderRepository, type Stored } from "./Orders/Repository.ts"
import { Settings } from "./Settings.ts"
import { placingAnswer } from "./Views.ts"

/** `POST /orders`, which takes an idempotency key. */
export const placing = operation(OrdersGroup.endpoints.place, OrderId)

export interface Wish {
  readonly memberId: MemberId
  readonly lines: ReadonlyArray<Wanted>
  readonly expectedTotal: Money
}

/**
 * Places orders. Between its three commits (order PLACING · stock held at product · order AWAITING_PAYMENT or REJECTED)
 * anything may die: the same idempotency key goes on with the same order, and so does the sweeper.
 */
export class Checkout extends Context.Service<Checkout, {
  /** A refusal by price or sale stores nothing; an unavailable product leaves the order to be resumed. */
  readonly place: (attempt: Attempt<OrderId>, wish: Wish) => Effect.Effect<
    Order,
    VariantsNotSellable | TotalChanged | CalleeUnavailable | RequestInFlight
  >
  /** Drives an order that is still PLACING to its decision. */
  readonly proceed: (order: Order) => Effect.Effect<Order, CalleeUnavailable>
}>()("@marketplace/order/Checkout") {
  static readonly layer = Layer.effect(Checkout, Effect.gen(function*() {
    const orders = yield* OrderRepository
    const products = yield* ProductClient
    const idempotency = yield* Idempotency
    const random = yield* SecureRandom.SecureRandom
    const { paymentWindow, placingTimeout } = yield* Settings

    /** Somebody else may have decided meanwhile, key and sweeper alike: then that decision stands. */
    const decide = (
      id: OrderId,
      from: OrderId | Stored,
      rule: (order: Order) => Result.Result<Change<Order, OrderEvent>, IllegalTransition>
    ) =>
      orders.update(from, rule, (order) => idempotency.complete(placing, id, placingAnswer(order))).pipe(
        Effect.catchTag("IllegalTransition", () => orders.find(id)),
        Effect.orDie
      )

    const proceed = Effect.fn("Checkout.proceed")(function*(order: Order, from: OrderId | Stored = order.id) {
      if (order.status !== "PLACING") return order
      const sellers = new Map(order.sellerOrders.map(({ enterpriseId, id }) => [id, enterpriseId]))
      const lines = order.lines.flatMap(({ quantity, sellerOrderId, unitPrice, variantId }) => {
        const enterpriseId = sellers.get(sellerOrderId)
        return enterpriseId === undefined ? [] : [{ variantId, quantity, unitPrice, enterpriseId }]
      })
      return yield* products.ReserveStock({ orderId: order.id, lines }).pipe(
        Effect.tap(crashPoint("checkout.reserved")),
        Effect.andThen(decide(order.id, from, reserved)),
        Effect.catchTag("ReservationRefused", ({ reason }) => decide(order.id, from, reject(reason === "RELEASED" ? "OUT_OF_STOCK" : reason))),
        Effect.tap(crashPoint("checkout.decided"))
      )
    })

    const start = Effect.fnUntraced(function*(attempt: Attempt<OrderId>, { expectedTotal, lines, memberId }: Wish) {
      const quotes = yield* products.QuoteVariants({ variantIds: lines.map(({ variantId }) => variantId) })
      const ids = yield* Effect.all(Array.from({ length: lines.length * 2 }, () => random.uuidV7()))
      const order = yield* Effect.fromResult(draft({ orderId: attempt.resourceId, memberId, lines, quotes, expectedTotal, ids }))
      const stored = yield* orders.insert(order, { payment: paymentWindow, placing: placingTimeout }, attempt.begin()).pipe(
        Effect.catchTag("SqlError", Effect.die)
      )
      yield* crashPoint("checkout.placed")
      return stored
    })

    return Checkout.of({
      place: Effect.fn("Checkout.place")(function*(attempt, wish) {
        if (attempt.resumed) return yield* proceed(yield* Effect.orDie(orders.find(attempt.resourceId)))
        const stored = yield* start(attempt, wish)
        return yield* proceed(stored.order, stored)
      }),
      proceed
    })
  }))
}
