import { Context, Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { OrderId } from "@marketplace/domain/Order/Ids"
import type { IllegalTransition } from "@marketplace/domain/Lifecycle"
import { type Order, OrderNotFound, pay } from "@marketplace/domain/Order/Order"
import type { Origin } from "@marketplace/events/Outbox"
import type { MemberId } from "@marketplace/domain/User/Ids"
import { OrderRepository } from "./Orders/Repository.ts"
import type { Head } from "./Orders/Row.ts"
import * as Timeline from "./Orders/Timeline.ts"

/** An order, and what says that it is paid. */
export interface Paid {
  readonly id: OrderId
  readonly origin: Origin
}

/** Orders as their people see them, and as payment moves them. */
export class Orders extends Context.Service<Orders, {
  /** Somebody else's order does not exist for the member. */
  readonly get: (id: OrderId, member: MemberId) => Effect.Effect<Order, OrderNotFound>
  /** What payment needs to know, of the member's own order. */
  readonly payable: (id: OrderId, member: MemberId) => Effect.Effect<Head, OrderNotFound>
  readonly standing: (id: OrderId) => Effect.Effect<Order["status"], OrderNotFound>
  /** Newest first, those before `before`. */
  readonly list: (member: MemberId, page: { readonly before: OrderId | undefined; readonly limit: number }) =>
    Effect.Effect<ReadonlyArray<Order>>
  /** Oldest first. */
  readonly timeline: (id: OrderId, member: MemberId) => Effect.Effect<ReadonlyArray<Timeline.Entry>, OrderNotFound>
  /** In the caller's transaction: the whole amounts are captured. */
  readonly markPaid: (orders: ReadonlyArray<Paid>) => Effect.Effect<void, OrderNotFound | IllegalTransition | SqlError.SqlError>
  /** In the caller's transaction: money went back to the buyer; the order stays what it is. */
  readonly noteRefund: (id: OrderId) => Effect.Effect<void, OrderNotFound | SqlError.SqlError>
}>()("@marketplace/order/Orders") {
  static readonly layer = Layer.effect(Orders, Effect.gen(function*() {
    const repository = yield* OrderRepository
    const sql = yield* SqlClient.SqlClient
    const timeline = Timeline.make(sql)
    const ownedBy = <Owned extends { readonly memberId: MemberId }>(id: OrderId, member: MemberId, found: Effect.Effect<Owned, OrderNotFound>) =>
      Effect.filterOrFail(found, ({ memberId }) => memberId === member, () => new OrderNotFound({ orderId: id }))
    const get = Effect.fn("Orders.get")((id: OrderId, member: MemberId) => ownedBy(id, member, repository.find(id)))

    return Orders.of({
      get,
      payable: Effect.fn("Orders.payable")((id, member) => ownedBy(id, member, repository.findHead(id))),
      standing: Effect.fn("Orders.standing")((id) => Effect.map(repository.findHead(id), ({ status }) => status)),
      list: repository.list,
      timeline: Effect.fn("Orders.timeline")(function*(id, member) {
        yield* get(id, member)
        return yield* Effect.orDie(timeline.of(id))
      }),
      markPaid: Effect.fn("Orders.markPaid")((orders) => repository.updateAll(orders, pay)),
      noteRefund: Effect.fn("Orders.noteRefund")(function*(id) {
        const noted = yield* sql`insert into order_timeline (order_id, scope, from_status, to_status, cause)
          select id, 'order', status, status, 'refund' from orders where id = ${id} for update returning order_id`
        if (noted.length === 0) return yield* new OrderNotFound({ orderId: id })
      })
    })
  }))
}
