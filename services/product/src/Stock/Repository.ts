import { Context, Duration, Effect, Layer, Schema } from "effect"
import { SqlClient, type SqlError, SqlSchema } from "effect/sql"
import { OrderId } from "@marketplace/domain/Order/Ids"
import type { ProductId, VariantId } from "@marketplace/domain/Product/Ids"
import { commit, hold, OutOfStock, release, Reservation, Stock, type StockChange } from "@marketplace/domain/Product/Stock"
import { Outbox } from "@marketplace/events/Outbox"

/** Units that an order wants of one variant. */
export interface Wanted {
  readonly variantId: VariantId
  readonly quantity: number
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
  /** The order is paid: what it holds is sold. In the caller's transaction. */
  readonly commit: (order: OrderId) => Effect.Effect<void, SqlError.SqlError>
  /** The order came to nothing: what it holds goes back, and nothing is held for it ever after. In the caller's transaction. */
  readonly release: (order: OrderId) => Effect.Effect<void, SqlError.SqlError>
  /** Orders that hold units for longer than their review time. Each is given out once per `lease`. */
  readonly claimDue: (limit: number, lease: Duration.Duration) => Effect.Effect<ReadonlyArray<OrderId>>
}>()("@marketplace/product/StockRepository") {
  static readonly layer = Layer.effect(StockRepository, Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const outbox = yield* Outbox
    const inSeconds = (duration: Duration.Duration) => sql`now() + ${Duration.toSeconds(duration)}::float8 * interval '1 second'`

    const lock = SqlSchema.findAll({
      Request: Schema.Array(Schema.String),
      Result: Stock,
      execute: (ids) =>
        sql`select variant_id, product_id, on_hand, held, committed, consumed, sequence from stock
          where ${sql.in("variant_id", ids)} order by variant_id for update`
    })
    const reserved = SqlSchema.findAll({
      Request: OrderId,
      Result: Schema.Struct({ stock: Stock, reservation: Reservation }),
      execute: (id) =>
        sql`select
            jsonb_build_object('variantId', s.variant_id, 'productId', s.product_id, 'onHand', s.on_hand, 'held', s.held,
              'committed', s.committed, 'consumed', s.consumed, 'sequence', s.sequence) as stock,
            jsonb_build_object('variantId', r.variant_id, 'held', r.held, 'committed', r.committed, 'consumed', r.consumed,
              'released', r.released, 'restocked', r.restocked) as reservation
          from reservation r join stock s using (variant_id) where r.order_id = ${id} order by variant_id for update`
    })

    const store = Effect.fnUntraced(function*(order: OrderId, kind: Kind, changes: ReadonlyArray<StockChange>) {
      if (changes.length === 0) return
      const rows = JSON.stringify(changes.map(({ reservation, stock }) => ({
        variant_id: stock.variantId,
        stock_held: stock.held,
        stock_committed: stock.committed,
        sequence: stock.sequence,
        held: reservation.held,
        committed: reservation.committed,
        released: reservation.released,
        quantity: kind === "HOLD" ? reservation.held : kind === "COMMIT" ? reservation.committed : reservation.released
      })))
      yield* sql`with change as (
          select * from jsonb_to_recordset(${rows}::jsonb) as c (variant_id uuid, stock_held int, stock_committed int,
            sequence int, held int, committed int, released int, quantity int)),
        kept as (
          insert into reservation (order_id, variant_id, held, committed, released)
          select ${order}::uuid, variant_id, held, committed, released from change
          on conflict (order_id, variant_id) do update
            set held = excluded.held, committed = excluded.committed, released = excluded.released),
        moved as (
          insert into stock_movement (variant_id, order_id, kind, quantity)
          select variant_id, ${order}::uuid, ${kind}, quantity from change)
        update stock s set held = c.stock_held, committed = c.stock_committed, sequence = c.sequence
        from change c where s.variant_id = c.variant_id`
      yield* outbox.append(...changes.map(({ event, stock }) => ({ after: stock.sequence - 1, events: [event] })))
    })

    const holdAll = Effect.fn("StockRepository.hold")(function*(
      order: OrderId,
      wanted: ReadonlyArray<Wanted>,
      review: Duration.Duration
    ) {
      const made = yield* sql`insert into reservation_order (order_id, status, due_at)
        values (${order}, 'HELD', ${inSeconds(review)}) on conflict do nothing returning order_id`
      if (made.length === 0) {
        // a statement of its own: the insert may have waited for whoever made the row, and does not see it
        const [standing] = yield* sql<{ status: string }>`select status from reservation_order where order_id = ${order}`
        return standing?.status === "RELEASED" ? yield* new ReservationReleased({ orderId: order }) : undefined
      }
      const quantities = new Map<VariantId, number>()
      for (const { quantity, variantId } of wanted) quantities.set(variantId, (quantities.get(variantId) ?? 0) + quantity)
      const stocks = new Map((yield* lock([...quantities.keys()])).map((stock) => [stock.variantId, stock]))
      const changes: Array<StockChange> = []
      for (const [variantId, quantity] of quantities) {
        const stock = stocks.get(variantId)
        if (stock === undefined) return yield* new OutOfStock({ variantId, requested: quantity, available: 0 })
        changes.push(yield* Effect.fromResult(hold(stock, quantity)))
      }
      yield* store(order, "HOLD", changes)
    }, sql.withTransaction, Effect.catchTags({ SqlError: Effect.die, SchemaError: Effect.die }))

    const settle = Effect.fnUntraced(function*(order: OrderId, kind: Kind, rule: typeof commit | typeof release) {
      const found = yield* Effect.catchTag(reserved(order), "SchemaError", Effect.die)
      yield* store(order, kind, found.flatMap(({ reservation, stock }) => rule(stock, reservation) ?? []))
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
      commit: Effect.fn("StockRepository.commit")(function*(order) {
        yield* sql`update reservation_order set status = 'COMMITTED', due_at = null
          where order_id = ${order} and status = 'HELD'`
        yield* settle(order, "COMMIT", commit)
      }),
      release: Effect.fn("StockRepository.release")(function*(order) {
        yield* sql`insert into reservation_order (order_id, status) values (${order}, 'RELEASED')
          on conflict (order_id) do update set status = 'RELEASED', due_at = null where reservation_order.status = 'HELD'`
        yield* settle(order, "RELEASE", release)
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

/** What happens to units, as the movements call it. */
type Kind = "HOLD" | "COMMIT" | "RELEASE"
