import { Context, Duration, Effect, Layer, Result, Schema } from "effect"
import { SqlClient, type SqlError, SqlSchema } from "effect/sql"
import type { Change } from "@marketplace/domain/Change"
import type { OrderDraft } from "@marketplace/domain/Order/Checkout"
import type { OrderEvent } from "@marketplace/domain/Order/Events"
import { OrderId } from "@marketplace/domain/Order/Ids"
import { type Order, OrderNotFound } from "@marketplace/domain/Order/Order"
import type { MemberId } from "@marketplace/domain/User/Ids"
import { Outbox } from "@marketplace/events/Outbox"
import { insertAll } from "@marketplace/postgres/InsertAll"
import { columns, Row } from "./Row.ts"
import * as Timeline from "./Timeline.ts"

/** Decides what an order becomes; pure. */
export type Rule<E> = (current: Order) => Result.Result<Change<Order, OrderEvent>, E>

/** Where orders are kept, with their parts, their timeline and the events that tell of them. */
export class OrderRepository extends Context.Service<OrderRepository, {
  /** In the caller's transaction. A sweeper looks at the order again after `placingTimeout`. */
  readonly insert: (draft: OrderDraft, windows: { readonly payment: Duration.Duration; readonly placing: Duration.Duration }) =>
    Effect.Effect<void, SqlError.SqlError>
  readonly find: (id: OrderId) => Effect.Effect<Order, OrderNotFound>
  /** Newest first, those before `before`. */
  readonly list: (member: MemberId, page: { readonly before: OrderId | undefined; readonly limit: number }) =>
    Effect.Effect<ReadonlyArray<Order>>
  /** Reads under the order's lock, lets the rule decide, stores what it decided. In the caller's transaction. */
  readonly update: <E>(id: OrderId, rule: Rule<E>) => Effect.Effect<Order, E | OrderNotFound | SqlError.SqlError>
  /** Orders that wait and whose time has come. Each is given out once per `lease`. */
  readonly claimDue: (limit: number, lease: Duration.Duration) => Effect.Effect<ReadonlyArray<Order>>
}>()("@marketplace/order/OrderRepository") {
  static readonly layer = Layer.effect(OrderRepository, Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const outbox = yield* Outbox
    const timeline = Timeline.make(sql)
    const seconds = (duration: Duration.Duration) => sql`${Duration.toSeconds(duration)}::float8 * interval '1 second'`

    const read = SqlSchema.findOne({
      Request: OrderId,
      Result: Row,
      execute: (id) => sql`select ${columns(sql)} from orders o where o.id = ${id}`
    })
    // The lock is a statement of its own: what is read after it includes what its last holder wrote, in every table.
    const readLocked = (id: OrderId) => Effect.andThen(sql`select 1 from orders where id = ${id} for update`, read(id))
    const page = SqlSchema.findAll({
      Request: Schema.Struct({ member: Schema.String, before: Schema.NullOr(Schema.String), limit: Schema.Int }),
      Result: Row,
      execute: ({ before, limit, member }) =>
        sql`select ${columns(sql)} from orders o where o.member_id = ${member} ${before === null ? sql`` : sql`and o.id < ${before}`}
          order by o.id desc limit ${limit}`
    })
    const claim = SqlSchema.findAll({
      Request: Schema.Struct({ limit: Schema.Int, lease: Schema.Number }),
      Result: Row,
      execute: ({ lease, limit }) =>
        sql`with due as (
            update orders set due_at = now() + ${lease}::float8 * interval '1 second'
            where id in (select id from orders where due_at <= now() order by due_at limit ${limit} for update skip locked)
            returning id)
          select ${columns(sql)} from orders o where o.id in (select id from due)`
    })

    const insert = Effect.fn("OrderRepository.insert")(function*(order: OrderDraft, windows: {
      readonly payment: Duration.Duration
      readonly placing: Duration.Duration
    }) {
      const { currency } = order.total
      yield* sql`insert into orders (id, member_id, status, currency, total, payment_deadline, due_at)
        values (${order.id}, ${order.memberId}, ${order.status}, ${currency}, ${order.total.amount},
          now() + ${seconds(windows.payment)}, now() + ${seconds(windows.placing)})`
      yield* insertAll(
        sql,
        "seller_order",
        order.sellerOrders.map((part, position) => ({
          id: part.id,
          orderId: order.id,
          position,
          enterpriseId: part.enterpriseId,
          status: part.status,
          shippingFee: part.shippingFee.amount,
          total: part.total.amount,
          commission: part.commission.amount,
          commissionVat: part.commissionVat.amount,
          sellerShare: part.sellerShare.amount
        }))
      )
      yield* insertAll(
        sql,
        "order_line",
        order.lines.map((line, position) => ({
          id: line.id,
          orderId: order.id,
          position,
          sellerOrderId: line.sellerOrderId,
          productId: line.productId,
          variantId: line.variantId,
          name: JSON.stringify(line.name),
          unitPrice: line.unitPrice.amount,
          quantity: line.quantity,
          total: line.total.amount
        }))
      )
      yield* timeline.append(order.id, [{ scope: "order", sellerOrderId: null, from: null, to: order.status, cause: "place" }])
    })

    const find = Effect.fn("OrderRepository.find")((id: OrderId) =>
      read(id).pipe(
        Effect.map(({ order }) => order),
        Effect.catchTag("NoSuchElementError", () => new OrderNotFound({ orderId: id })),
        Effect.catchTags({ SqlError: Effect.die, SchemaError: Effect.die })
      )
    )

    const list = Effect.fn("OrderRepository.list")((member: MemberId, { before, limit }: {
      readonly before: OrderId | undefined
      readonly limit: number
    }) =>
      page({ member, before: before ?? null, limit }).pipe(Effect.map((rows) => rows.map(({ order }) => order)), Effect.orDie)
    )

    const update = Effect.fn("OrderRepository.update")(<E>(id: OrderId, rule: Rule<E>) =>
      Effect.gen(function*() {
        const { order: current, sequence } = yield* readLocked(id).pipe(
          Effect.catchTag("NoSuchElementError", () => new OrderNotFound({ orderId: id })),
          Effect.catchTag("SchemaError", Effect.die)
        )
        const { events, state } = yield* Effect.fromResult(rule(current))
        yield* sql`update orders set status = ${state.status}, rejection = ${state.rejection}, sequence = ${sequence + events.length},
          version = version + 1, due_at = ${waits(state) ? sql`payment_deadline` : sql`null`} where id = ${id}`
        const moved = state.sellerOrders.filter((part, index) => part.status !== current.sellerOrders[index]?.status)
        for (const [status, parts] of Map.groupBy(moved, (part) => part.status)) {
          yield* sql`update seller_order set status = ${status} where ${sql.in("id", parts.map((part) => part.id))}`
        }
        yield* timeline.append(id, Timeline.entriesOf(events, current.status))
        yield* outbox.append({ after: sequence, events })
        return state
      })
    )

    const claimDue = Effect.fn("OrderRepository.claimDue")((limit: number, lease: Duration.Duration) =>
      claim({ limit, lease: Duration.toSeconds(lease) }).pipe(Effect.map((rows) => rows.map(({ order }) => order)), Effect.orDie)
    )

    return OrderRepository.of({ insert, find, list, update, claimDue })
  }))
}

/** Only a placed, rejected, expired or cancelled order waits for nothing. */
const waits = ({ status }: Order) => status === "AWAITING_PAYMENT"
