import { Context, Duration, Effect, Layer, Result, Schema } from "effect"
import { SqlClient, type SqlError, SqlSchema } from "effect/sql"
import type { Change } from "@marketplace/domain/Change"
import type { OrderDraft } from "@marketplace/domain/Order/Checkout"
import type { OrderEvent } from "@marketplace/domain/Order/Events"
import { OrderId } from "@marketplace/domain/Order/Ids"
import { Order, OrderNotFound } from "@marketplace/domain/Order/Order"
import type { MemberId } from "@marketplace/domain/User/Ids"
import { type Origin, Outbox } from "@marketplace/events/Outbox"
import { among } from "@marketplace/postgres/Among"
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
  /** The order without its parts and lines. */
  readonly findHead: (id: OrderId) => Effect.Effect<Row.Head, OrderNotFound>
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
  /** The same for several orders, with as little work as for one. An order that is named twice fails as a unique violation. */
  readonly updateAll: <E>(changes: ReadonlyArray<{ readonly id: OrderId; readonly origin: Origin }>, rule: Rule<E>) =>
    Effect.Effect<void, E | OrderNotFound | SqlError.SqlError>
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
    const headById = SqlSchema.findOne({
      Request: OrderId,
      Result: Row.Head,
      execute: (id) => sql`select ${Row.head(sql)} from orders where id = ${id}`
    })
    const byIds = SqlSchema.findAll({
      Request: Schema.Array(Schema.String),
      Result: Row.Row,
      execute: (ids) => sql`select ${Row.columns(sql)} from orders o where ${among(sql, "o.id", ids)}`
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
        told as (${timeline.insert([{ orderId: order.id, scope: "order", sellerOrderId: null, from: null, to: order.status, cause: "place" }])})
        select * from inserted`
      const { sequence, version, ...times } = yield* Effect.orDie(decodeInserted(written[0]))
      return { order: new Order({ ...order, ...times }), sequence, version }
    })

    const find = Effect.fn("OrderRepository.find")((id: OrderId) =>
      read(id).pipe(Effect.map(({ order }) => order), Effect.catchTag("SqlError", Effect.die))
    )

    const findHead = Effect.fn("OrderRepository.findHead")((id: OrderId) =>
      headById(id).pipe(
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

    /** Gives the ids of those that are no longer of the version that was read, of which nothing is written. */
    const store = Effect.fnUntraced(function*(decided: ReadonlyArray<Decided>) {
      const next = JSON.stringify(decided.map(({ change: { events, state }, stored: { sequence, version } }) => ({
        id: state.id,
        version,
        status: state.status,
        rejection: state.rejection,
        sequence: sequence + events.length,
        waits: waits(state)
      })))
      const parts = JSON.stringify(decided.flatMap(({ change: { state }, stored: { order } }) =>
        state.sellerOrders
          .filter(({ status }, index) => status !== order.sellerOrders[index]?.status)
          .map(({ id, status }) => ({ id, order_id: order.id, status }))
      ))
      const steps = decided.flatMap(({ change: { events }, stored: { order } }) => Timeline.stepsOf(order.id, events, order.status))
      const written = yield* sql<{ readonly id: OrderId }>`with changed as (
          update orders o set status = n.status, rejection = n.rejection, sequence = n.sequence, version = o.version + 1,
            due_at = case when n.waits then o.payment_deadline end
          from jsonb_to_recordset(${next}::jsonb) as n (id uuid, version int, status text, rejection text, sequence int, waits bool)
          where o.id = n.id and o.version = n.version and ${among(sql, "o.id", decided.map(({ change: { state } }) => state.id))}
          returning o.id),
        moved as (
          update seller_order s set status = m.status
          from changed, jsonb_to_recordset(${parts}::jsonb) as m (id uuid, order_id uuid, status text)
          where s.id = m.id and s.order_id = m.order_id and m.order_id = changed.id),
        told as (${timeline.insert(steps, sql`changed`)})
        select id from changed`
      const ids = new Set(written.map(({ id }) => id))
      yield* outbox.append(...decided.flatMap(({ change: { events }, origin, stored: { order: { id }, sequence } }) =>
        ids.has(id) ? [{ after: sequence, events, origin }] : []))
      return new Set(decided.map(({ stored: { order } }) => order.id).filter((id) => !ids.has(id)))
    })

    const readAll = Effect.fnUntraced(function*(wanted: ReadonlyArray<Wanted>) {
      if (wanted.length === 0) return []
      const rows = yield* Effect.catchTag(byIds(wanted.map(({ id }) => id)), "SchemaError", Effect.die)
      const stored = new Map(rows.map((row) => [row.order.id, row]))
      return yield* Effect.forEach(wanted, ({ id, origin }) => {
        const found = stored.get(id)
        return found === undefined ? new OrderNotFound({ orderId: id }) : Effect.succeed({ stored: found, origin })
      })
    })

    /** Begins again with those that somebody else has changed since they were read. */
    const decideAll = Effect.fnUntraced(function*<E>(read: ReadonlyArray<Read>, rule: Rule<E>) {
      const states = new Map<OrderId, Order>()
      let open = read
      while (open.length > 0) {
        const decided = yield* Effect.forEach(open, ({ origin, stored }) =>
          Effect.map(Effect.fromResult(rule(stored.order)), (change) => ({ stored, change, origin })))
        for (const { change: { state } } of decided) states.set(state.id, state)
        const outrun = yield* store(decided)
        open = yield* readAll(open.flatMap(({ origin, stored: { order: { id } } }) => outrun.has(id) ? [{ id, origin }] : []))
      }
      return states
    })

    const update = Effect.fn("OrderRepository.update")(function*<E>(from: OrderId | Stored, rule: Rule<E>) {
      const stored = typeof from === "string" ? yield* read(from) : from
      const states = yield* decideAll([{ stored, origin: undefined }], rule)
      return states.get(stored.order.id) ?? stored.order
    })

    const updateAll = Effect.fn("OrderRepository.updateAll")(function*<E>(wanted: ReadonlyArray<Wanted>, rule: Rule<E>) {
      yield* decideAll(yield* readAll(wanted), rule)
    })

    const claimDue = Effect.fn("OrderRepository.claimDue")((limit: number, lease: Duration.Duration) =>
      claim({ limit, lease: Duration.toSeconds(lease) }).pipe(Effect.map((rows) => rows.map(({ order }) => order)), Effect.orDie)
    )

    return OrderRepository.of({ insert, find, findHead, list, update, updateAll, claimDue })
  }))
}

interface Wanted {
  readonly id: OrderId
  readonly origin: Origin | undefined
}

interface Read {
  readonly stored: Stored
  readonly origin: Origin | undefined
}

/** What a rule made of an order. */
interface Decided extends Read {
  readonly change: Change<Order, OrderEvent>
}

const decodeInserted = Schema.decodeUnknownEffect(Row.Inserted)

/** Only a placed, rejected, expired or cancelled order waits for nothing. */
const waits = ({ status }: Order) => status === "AWAITING_PAYMENT"
