import { Context, Duration, Effect, Layer, Result, Schema } from "effect"
import { SqlClient, type SqlError, SqlSchema } from "effect/sql"
import type { Change } from "@marketplace/domain/Change"
import type { OrderDraft } from "@marketplace/domain/Order/Checkout"
import type { OrderEvent } from "@marketplace/domain/Order/Events"
import { OrderId } from "@marketplace/domain/Order/Ids"
import { Order, OrderNotFound } from "@marketplace/domain/Order/Order"
import type { MemberId } from "@marketplace/domain/User/Ids"
import { Outbox } from "@marketplace/events/Outbox"
import * as Row from "./Row.ts"
import * as Timeline from "./Timeline.ts"

/** Decides what an order becomes; pure, since it runs again when somebody else was faster. */
export type Rule<E> = (current: Order) => Result.Result<Change<Order, OrderEvent>, E>

/** An order as its row says at one version. */
export interface Stored {
  readonly order: Order
  readonly version: number
  /** Of its last event. */
  readonly sequence: number
}

/** Where orders are kept, with their parts, their timeline and the events that tell of them. */
export class OrderRepository extends Context.Service<OrderRepository, {
  /** In the caller's transaction. A sweeper looks at the order again after `placingTimeout`. */
  readonly insert: (draft: OrderDraft, windows: { readonly payment: Duration.Duration; readonly placing: Duration.Duration }) =>
    Effect.Effect<Stored, SqlError.SqlError>
  readonly find: (id: OrderId) => Effect.Effect<Order, OrderNotFound>
  /** Newest first, those before `before`. */
  readonly list: (member: MemberId, page: { readonly before: OrderId | undefined; readonly limit: number }) =>
    Effect.Effect<ReadonlyArray<Order>>
  /**
   * Reads, lets the rule decide, stores what it decided if the order is still what was read, and otherwise begins again with
   * what it is now. In the caller's transaction, which holds the order's row lock from then on.
   *
   * @param from an order that was just stored is not read again unless it has changed
   */
  readonly update: <E>(from: OrderId | Stored, rule: Rule<E>) => Effect.Effect<Order, E | OrderNotFound | SqlError.SqlError>
  /** Orders that wait and whose time has come. Each is given out once per `lease`. */
  readonly claimDue: (limit: number, lease: Duration.Duration) => Effect.Effect<ReadonlyArray<Order>>
}>()("@marketplace/order/OrderRepository") {
  static readonly layer = Layer.effect(OrderRepository, Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const outbox = yield* Outbox
    const timeline = Timeline.make(sql)
    const seconds = (duration: Duration.Duration) => sql`${Duration.toSeconds(duration)}::float8 * interval '1 second'`

    const byId = SqlSchema.findOne({
      Request: OrderId,
      Result: Row.Row,
      execute: (id) => sql`select ${Row.columns(sql)} from orders o where o.id = ${id}`
    })
    const read = (id: OrderId) =>
      byId(id).pipe(
        Effect.catchTag("NoSuchElementError", () => new OrderNotFound({ orderId: id })),
        Effect.catchTag("SchemaError", Effect.die)
      )
    const page = SqlSchema.findAll({
      Request: Schema.Struct({ member: Schema.String, before: Schema.NullOr(Schema.String), limit: Schema.Int }),
      Result: Row.Row,
      execute: ({ before, limit, member }) =>
        sql`select ${Row.columns(sql)} from orders o where o.member_id = ${member} ${before === null ? sql`` : sql`and o.id < ${before}`}
          order by o.id desc limit ${limit}`
    })
    const claim = SqlSchema.findAll({
      Request: Schema.Struct({ limit: Schema.Int, lease: Schema.Number }),
      Result: Row.Row,
      execute: ({ lease, limit }) =>
        sql`with due as (
            update orders set due_at = now() + ${lease}::float8 * interval '1 second'
            where id in (select id from orders where due_at <= now() order by due_at limit ${limit} for update skip locked)
            returning id)
          select ${Row.columns(sql)} from orders o where o.id in (select id from due)`
    })

    const insert = Effect.fn("OrderRepository.insert")(function*(order: OrderDraft, windows: {
      readonly payment: Duration.Duration
      readonly placing: Duration.Duration
    }) {
      const written = yield* sql`with inserted as (
          insert into orders (id, member_id, status, currency, total, payment_deadline, due_at)
          values (${order.id}, ${order.memberId}, ${order.status}, ${order.total.currency}, ${order.total.amount},
            now() + ${seconds(windows.payment)}, now() + ${seconds(windows.placing)})
          returning ${Row.inserted(sql)}),
        parts as (
          insert into seller_order (id, order_id, position, enterprise_id, status, shipping_fee, total, commission, commission_vat, seller_share)
          select id, ${order.id}::uuid, ordinality, enterprise_id, status, shipping_fee, total, commission, commission_vat, seller_share
          from rows from (jsonb_to_recordset(${Row.partsJson(order)}::jsonb) as (id uuid, enterprise_id uuid, status text, shipping_fee bigint,
            total bigint, commission bigint, commission_vat bigint, seller_share bigint)) with ordinality),
        lines as (
          insert into order_line (id, order_id, position, seller_order_id, product_id, variant_id, name, unit_price, quantity, total)
          select id, ${order.id}::uuid, ordinality, seller_order_id, product_id, variant_id, name, unit_price, quantity, total
          from rows from (jsonb_to_recordset(${Row.linesJson(order)}::jsonb) as (id uuid, seller_order_id uuid, product_id uuid,
            variant_id uuid, name jsonb, unit_price bigint, quantity int, total bigint)) with ordinality),
        told as (${timeline.insert(order.id, [{ scope: "order", sellerOrderId: null, from: null, to: order.status, cause: "place" }])})
        select * from inserted`
      const { sequence, version, ...times } = yield* Effect.orDie(decodeInserted(written[0]))
      return { order: new Order({ ...order, ...times }), sequence, version }
    })

    const find = Effect.fn("OrderRepository.find")((id: OrderId) =>
      read(id).pipe(Effect.map(({ order }) => order), Effect.catchTag("SqlError", Effect.die))
    )

    const list = Effect.fn("OrderRepository.list")((member: MemberId, { before, limit }: {
      readonly before: OrderId | undefined
      readonly limit: number
    }) =>
      page({ member, before: before ?? null, limit }).pipe(Effect.map((rows) => rows.map(({ order }) => order)), Effect.orDie)
    )

    /** False when the order is no longer of the version that was read; nothing is written then. */
    const store = Effect.fnUntraced(function*({ order, sequence, version }: Stored, { events, state }: Change<Order, OrderEvent>) {
      const moved = state.sellerOrders.filter((part, index) => part.status !== order.sellerOrders[index]?.status)
      const written = yield* sql`with changed as (
          update orders set status = ${state.status}, rejection = ${state.rejection}, sequence = ${sequence + events.length},
            version = version + 1, due_at = ${waits(state) ? sql`payment_deadline` : sql`null`}
          where id = ${state.id} and version = ${version} returning id),
        moved as (
          update seller_order s set status = m.status
          from changed, jsonb_to_recordset(${JSON.stringify(moved.map(({ id, status }) => ({ id, status })))}::jsonb) as m (id uuid, status text)
          where s.id = m.id and s.order_id = changed.id),
        told as (${timeline.insert(state.id, Timeline.entriesOf(events, order.status), sql`changed`)})
        select id from changed`
      if (written.length === 0) return false
      yield* outbox.append({ after: sequence, events })
      return true
    })

    const update = Effect.fn("OrderRepository.update")(function*<E>(from: OrderId | Stored, rule: Rule<E>) {
      let stored = typeof from === "string" ? yield* read(from) : from
      while (true) {
        const change = yield* Effect.fromResult(rule(stored.order))
        if (yield* store(stored, change)) return change.state
        stored = yield* read(stored.order.id)
      }
    })

    const claimDue = Effect.fn("OrderRepository.claimDue")((limit: number, lease: Duration.Duration) =>
      claim({ limit, lease: Duration.toSeconds(lease) }).pipe(Effect.map((rows) => rows.map(({ order }) => order)), Effect.orDie)
    )

    return OrderRepository.of({ insert, find, list, update, claimDue })
  }))
}

const decodeInserted = Schema.decodeUnknownEffect(Row.Inserted)

/** Only a placed, rejected, expired or cancelled order waits for nothing. */
const waits = ({ status }: Order) => status === "AWAITING_PAYMENT"
