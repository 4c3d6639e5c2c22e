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
import * as Write from "@marketplace/postgres/Write"
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

/** What is to be written with what a rule made of an order. */
export type With<E> = (order: Order) => Effect.Effect<Write.Write<E>>

/** Where orders are kept, with their parts, their timeline and the events that tell of them: one change is one statement. */
export class OrderRepository extends Context.Service<OrderRepository, {
  /** A sweeper looks at the order again after `placing`. */
  readonly insert: <E>(draft: OrderDraft, windows: Windows, also: Write.Write<E>) => Effect.Effect<Stored, E | SqlError.SqlError>
  readonly find: (id: OrderId) => Effect.Effect<Order, OrderNotFound>
  /** The order without its parts and lines. */
  readonly findHead: (id: OrderId) => Effect.Effect<Row.Head, OrderNotFound>
  /** Newest first, those before `before`. */
  readonly list: (member: MemberId, page: { readonly before: OrderId | undefined; readonly limit: number }) =>
    Effect.Effect<ReadonlyArray<Order>>
  /**
   * Reads, lets the rule decide, stores what it decided if the order is still what was read, and otherwise begins again with
   * what it is now. A transaction of the caller's holds the order's row lock from then on.
   *
   * @param from an order that was just stored is not read again unless it has changed
   */
  readonly update: <E, E2 = never>(from: OrderId | Stored, rule: Rule<E>, also?: With<E2>) =>
    Effect.Effect<Order, E | E2 | OrderNotFound | SqlError.SqlError>
  /**
   * The same for several orders, with as little work as for one; in the caller's transaction. An order that is named twice
   * fails as a unique violation.
   */
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

    const insert = Effect.fn("OrderRepository.insert")(function*<E>(order: OrderDraft, windows: Windows, also: Write.Write<E>) {
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
        ${Write.parts(sql, "also", also, sql`true`)}
        select * from inserted`.pipe(Effect.mapError(also.meaning))
      yield* also.made
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

    /**
     * Gives the ids of those that are no longer of the version that was read, of which nothing is written.
     *
     * @param also goes with the one order that is decided
     */
    const store = Effect.fnUntraced(function*<E>(decided: ReadonlyArray<Decided>, also: Write.Write<E>) {
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
      const events = yield* outbox.tell(...decided.map(({ change: { events }, origin, stored: { sequence } }) =>
        ({ after: sequence, events, origin })))
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
        ${Write.parts(sql, "event", events, sql`stream_key in (select id::text from changed)`)}
        ${Write.parts(sql, "also", also, sql`exists (select from changed)`)}
        select id from changed`.pipe(Effect.mapError(also.meaning))
      if (written.length > 0) yield* Effect.andThen(events.made, also.made)
      const ids = new Set(written.map(({ id }) => id))
      return new Set(decided.map(({ stored: { order } }) => order.id).filter((id) => !ids.has(id)))
    })

    const readAll = Effect.fnUntraced(function*(wanted: ReadonlyArray<Wanted>) {
      const rows = yield* Effect.catchTag(byIds(wanted.map(({ id }) => id)), "SchemaError", Effect.die)
      const stored = new Map(rows.map((row) => [row.order.id, row]))
      return yield* Effect.forEach(wanted, ({ id, origin }) => {
        const found = stored.get(id)
        return found === undefined ? new OrderNotFound({ orderId: id }) : Effect.succeed({ stored: found, origin })
      })
    })

    const update = Effect.fn("OrderRepository.update")(function*<E, E2 = never>(
      from: OrderId | Stored,
      rule: Rule<E>,
      also: With<E2> = () => Effect.succeed(Write.nothing)
    ) {
      let stored = typeof from === "string" ? yield* read(from) : from
      while (true) {
        const change = yield* Effect.fromResult(rule(stored.order))
        const outrun = yield* store([{ stored, change, origin: undefined }], yield* also(change.state))
        if (outrun.size === 0) return change.state
        stored = yield* read(stored.order.id)
      }
    })

    const updateAll = Effect.fn("OrderRepository.updateAll")(function*<E>(wanted: ReadonlyArray<Wanted>, rule: Rule<E>) {
      let open = wanted
      while (open.length > 0) {
        const decided = yield* Effect.forEach(yield* readAll(open), ({ origin, stored }) =>
          Effect.map(Effect.fromResult(rule(stored.order)), (change) => ({ stored, change, origin })))
        const outrun = yield* store(decided, Write.nothing)
        open = open.filter(({ id }) => outrun.has(id))
      }
    })

    const claimDue = Effect.fn("OrderRepository.claimDue")((limit: number, lease: Duration.Duration) =>
      claim({ limit, lease: Duration.toSeconds(lease) }).pipe(Effect.map((rows) => rows.map(({ order }) => order)), Effect.orDie)
    )

    return OrderRepository.of({ insert, find, findHead, list, update, updateAll, claimDue })
  }))
}

interface Windows {
  readonly payment: Duration.Duration
  readonly placing: Duration.Duration
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
