import { Context, Duration, Effect, Layer, Schema } from "effect"
import { SqlClient, type SqlError, SqlSchema } from "effect/sql"
import { OrderId } from "@marketplace/domain/Order/Ids"
import type { ProductId, VariantId } from "@marketplace/domain/Product/Ids"
import { commit, hold, OutOfStock, release, Reservation, Stock, type StockChange } from "@marketplace/domain/Product/Stock"
import { type Origin, Outbox } from "@marketplace/events/Outbox"
import { among } from "@marketplace/postgres/Among"
import * as Write from "@marketplace/postgres/Write"

/** Units that an order wants of one variant. */
export interface Wanted {
  readonly variantId: VariantId
  readonly quantity: number
}

/** An order that needs its hold no more, and what says so; the current origin, if left out. */
export interface Ended {
  readonly orderId: OrderId
  readonly origin?: Origin
}

/** The order was given up before; nothing is held for it any more. */
export class ReservationReleased extends Schema.TaggedError<ReservationReleased>()("ReservationReleased", { orderId: OrderId }) {}

/**
 * Stock and what orders reserve of it, in PostgreSQL on every profile. Variants are locked in the order of their ids, so
 * that two orders never wait for each other.
 */
export class StockRepository extends Context.Service<StockRepository, {
  /** A variant that is there already stays as it is. */
  readonly insert: (
    stock: { readonly variantId: VariantId; readonly productId: ProductId; readonly onHand: number }
  ) => Effect.Effect<void>
  /** All or nothing; of a variant that is named twice, the sum. The same order again changes nothing. */
  readonly hold: (order: OrderId, wanted: ReadonlyArray<Wanted>, review: Duration.Duration) =>
    Effect.Effect<void, OutOfStock | ReservationReleased>
  /** The orders are paid: what they hold is sold. In the caller's transaction. */
  readonly commit: (orders: ReadonlyArray<Ended>) => Effect.Effect<void, SqlError.SqlError>
  /** The orders came to nothing: what they hold goes back, and nothing is held for them ever after. In the caller's transaction. */
  readonly release: (orders: ReadonlyArray<Ended>) => Effect.Effect<void, SqlError.SqlError>
  /** Orders that hold units for longer than their review time. Each is given out once per `lease`. */
  readonly claimDue: (limit: number, lease: Duration.Duration) => Effect.Effect<ReadonlyArray<OrderId>>
}>()("@marketplace/product/StockRepository") {
  static readonly layer = Layer.effect(StockRepository, Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const outbox = yield* Outbox
    const inSeconds = (duration: Duration.Duration) => sql`now() + ${Duration.toSeconds(duration)}::float8 * interval '1 second'`

    const stock = sql.literal(`jsonb_build_object('variantId', s.variant_id, 'productId', s.product_id, 'onHand', s.on_hand,
      'held', s.held, 'committed', s.committed, 'consumed', s.consumed, 'sequence', s.sequence)`)

    /** Makes the order's reservation and locks the variants; neither, if there is one already. */
    const opening = SqlSchema.findOne({
      Request: Schema.Struct({ order: OrderId, variants: Schema.Array(Schema.String), review: Schema.Duration }),
      Result: Schema.Struct({ made: Schema.Boolean, stocks: Schema.Array(Stock) }),
      execute: ({ order, review, variants }) =>
        sql`with made as (
            insert into reservation_order (order_id, status, due_at) values (${order}, 'HELD', ${inSeconds(review)})
            on conflict do nothing returning order_id),
          locked as materialized (
            select s.* from stock s where exists (select from made) and ${among(sql, "variant_id", variants)}
            order by variant_id for update)
          select exists (select from made) as made, coalesce((select jsonb_agg(${stock}) from locked s), '[]') as stocks`
    })
    const reserved = SqlSchema.findAll({
      Request: Schema.Array(Schema.String),
      Result: Schema.Struct({ orderId: OrderId, stock: Stock, reservation: Reservation }),
      execute: (ids) =>
        sql`select r.order_id, ${stock} as stock,
            jsonb_build_object('variantId', r.variant_id, 'held', r.held, 'committed', r.committed, 'consumed', r.consumed,
              'released', r.released, 'restocked', r.restocked) as reservation
          from reservation r join stock s using (variant_id) where ${among(sql, "r.order_id", ids)}
          order by variant_id, order_id for update`
    })

    /** @param changes of one variant one after the other: the last one says what its stock is */
    const store = Effect.fnUntraced(function*(kind: Kind, changes: ReadonlyArray<Stored>) {
      if (changes.length === 0) return
      const moves = JSON.stringify(changes.map(({ change: { reservation }, orderId }) => ({
        order_id: orderId,
        variant_id: reservation.variantId,
        held: reservation.held,
        committed: reservation.committed,
        released: reservation.released,
        quantity: kind === "HOLD" ? reservation.held : kind === "COMMIT" ? reservation.committed : reservation.released
      })))
      const stocks = new Map(changes.map(({ change: { stock } }) => [stock.variantId, stock]))
      const told = yield* outbox.tell(...changes.map(({ change: { event, stock }, origin }) =>
        ({ after: stock.sequence - 1, events: [event], origin })
      ))
      yield* sql`with move as (
          select * from jsonb_to_recordset(${moves}::jsonb) as m (order_id uuid, variant_id uuid, held int, committed int,
            released int, quantity int)),
        kept as (
          insert into reservation (order_id, variant_id, held, committed, released)
          select order_id, variant_id, held, committed, released from move
          on conflict (order_id, variant_id) do update
            set held = excluded.held, committed = excluded.committed, released = excluded.released),
        moved as (
          insert into stock_movement (variant_id, order_id, kind, quantity)
          select variant_id, order_id, ${kind}, quantity from move)
          ${Write.parts(sql, "event", told, sql`true`)}
        update stock s set held = n.held, committed = n.committed, sequence = n.sequence
        from jsonb_to_recordset(${JSON.stringify([...stocks.values()])}::jsonb) as n ("variantId" uuid, held int, committed int, sequence int)
        where s.variant_id = n."variantId" and ${among(sql, "s.variant_id", [...stocks.keys()])}`
      yield* told.made
    })

    const holdAll = Effect.fn("StockRepository.hold")(function*(
      order: OrderId,
      wanted: ReadonlyArray<Wanted>,
      review: Duration.Duration
    ) {
      const quantities = new Map<VariantId, number>()
      for (const { quantity, variantId } of wanted) quantities.set(variantId, (quantities.get(variantId) ?? 0) + quantity)
      const { made, stocks: locked } = yield* opening({ order, variants: [...quantities.keys()], review })
      if (!made) {
        // a statement of its own: that one may have waited for whoever made the row, and does not see it
        const [standing] = yield* sql<{ status: string }>`select status from reservation_order where order_id = ${order}`
        return standing?.status === "RELEASED" ? yield* new ReservationReleased({ orderId: order }) : undefined
      }
      const stocks = new Map(locked.map((stock) => [stock.variantId, stock]))
      const changes: Array<Stored> = []
      for (const [variantId, quantity] of quantities) {
        const stock = stocks.get(variantId)
        if (stock === undefined) return yield* new OutOfStock({ variantId, requested: quantity, available: 0 })
        changes.push({ orderId: order, change: yield* Effect.fromResult(hold(stock, quantity)) })
      }
      yield* store("HOLD", changes)
    }, sql.withTransaction, Effect.catchTags({ SqlError: Effect.die, SchemaError: Effect.die, NoSuchElementError: Effect.die }))

    const end = Effect.fnUntraced(function*(kind: Kind, orders: ReadonlyArray<Ended>, rule: typeof commit | typeof release) {
      const origins = new Map(orders.map(({ orderId, origin }) => [orderId, origin]))
      const stocks = new Map<VariantId, Stock>()
      const changes: Array<Stored> = []
      for (const { orderId, reservation, stock } of yield* Effect.catchTag(reserved([...origins.keys()]), "SchemaError", Effect.die)) {
        const change = rule(stocks.get(stock.variantId) ?? stock, reservation)
        if (change === undefined) continue
        stocks.set(stock.variantId, change.stock)
        changes.push({ orderId, change, origin: origins.get(orderId) })
      }
      yield* store(kind, changes)
    })

    return StockRepository.of({
      insert: Effect.fn("StockRepository.insert")(({ onHand, productId, variantId }) =>
        sql`with made as (
            insert into stock (variant_id, product_id, on_hand) values (${variantId}, ${productId}, ${onHand})
            on conflict do nothing returning variant_id, on_hand)
          insert into stock_movement (variant_id, kind, quantity) select variant_id, 'SEED', on_hand from made where on_hand > 0`
          .pipe(Effect.asVoid, Effect.orDie)
      ),
      hold: holdAll,
      commit: Effect.fn("StockRepository.commit")(function*(orders) {
        yield* sql`update reservation_order set status = 'COMMITTED', due_at = null
          where ${among(sql, "order_id", idsOf(orders))} and status = 'HELD'`
        yield* end("COMMIT", orders, commit)
      }),
      release: Effect.fn("StockRepository.release")(function*(orders) {
        yield* sql`insert into reservation_order (order_id, status)
          select distinct id, 'RELEASED' from unnest(${idsOf(orders)}::text[]::uuid[]) as o (id)
          on conflict (order_id) do update set status = 'RELEASED', due_at = null where reservation_order.status = 'HELD'`
        yield* end("RELEASE", orders, release)
      }),
      claimDue: Effect.fn("StockRepository.claimDue")((limit: number, lease: Duration.Duration) =>
        sql<{ orderId: OrderId }>`update reservation_order set due_at = ${inSeconds(lease)}
          where order_id in (
            select order_id from reservation_order where due_at <= now() order by due_at limit ${limit} for update skip locked)
          returning order_id`.pipe(Effect.map((rows) => rows.map(({ orderId }) => orderId)), Effect.orDie)
      )
    })
  }))
}

const idsOf = (orders: ReadonlyArray<Ended>) => orders.map(({ orderId }) => orderId)

interface Stored {
  readonly orderId: OrderId
  readonly change: StockChange
  readonly origin?: Origin | undefined
}

/** What happens to units, as the movements call it. */
type Kind = "HOLD" | "COMMIT" | "RELEASE"
