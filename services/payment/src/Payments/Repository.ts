import { Context, Duration, Effect, Layer, Result, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { SqlClient, SqlError, SqlSchema } from "effect/sql"
import { OrderId } from "@marketplace/domain/Order/Ids"
import { PaymentId, RefundId } from "@marketplace/domain/Payment/Ids"
import type { Transfer } from "@marketplace/domain/Payment/Ledger"
import { type OrderPayments, type Payment, type PaymentChange, PaymentNotFound } from "@marketplace/domain/Payment/Payment"
import { type Refund, type RefundChange, RefundStatus } from "@marketplace/domain/Payment/Refund"
import type { MemberId } from "@marketplace/domain/User/Ids"
import { Outbox } from "@marketplace/events/Outbox"
import { insertAll } from "@marketplace/postgres/InsertAll"
import { OrderRow, paymentJson, PaymentRow, refundJson, RefundRow } from "./Row.ts"
import { givenUp, nextLook } from "./Schedule.ts"

/** All attempts to pay one order. */
export interface Attempts {
  readonly order: OrderPayments
  /** Oldest first. */
  readonly payments: ReadonlyArray<Payment>
}

/** An attempt about which something is to be found out. */
export interface Due {
  readonly payment: Payment
  /** How often it was looked at since it came into its state, this time included. */
  readonly looks: number
  /** Seconds since it came into its state. */
  readonly age: number
}

/** Decides what becomes of an order's payments; pure. */
export type Rule<A, E> = (attempts: Attempts) => Result.Result<{ readonly change: PaymentChange; readonly answer: A }, E>

/** Where payments, refunds and the ledger are kept: state, bookings and events of one change are one write. */
export class PaymentRepository extends Context.Service<PaymentRepository, {
  /** Reads under the order's lock, lets the rule decide, stores what it decided. In the caller's transaction. */
  readonly update: <A, E>(order: OrderId, rule: Rule<A, E>) => Effect.Effect<A, E | SqlError.SqlError>
  readonly find: (id: PaymentId) => Effect.Effect<Payment, PaymentNotFound>
  readonly ofOrder: (order: OrderId, member: MemberId) => Effect.Effect<ReadonlyArray<Payment>>
  /** Attempts about which something is to be found out at the provider. Each is given out once per `lease`. */
  readonly claimDue: (limit: number, lease: Duration.Duration) => Effect.Effect<ReadonlyArray<Due>>
  /** A look found nothing new: the next one is in so many seconds, or never. */
  readonly postpone: (payment: Payment, seconds: number | null) => Effect.Effect<void>
  /** Has the resolver look now at an attempt that was given up; does nothing to one that is not. */
  readonly hasten: (id: PaymentId) => Effect.Effect<void>
  /** The provider answers again: has the resolver look at every UNKNOWN attempt now. */
  readonly hastenUnknown: Effect.Effect<void>
  readonly refundsOf: (order: OrderId, member: MemberId) => Effect.Effect<ReadonlyArray<Refund>>
  /** In a transaction of its own; under the order's lock. */
  readonly updateRefund: <E>(refund: Refund, rule: (current: Refund) => Result.Result<RefundChange, E>) => Effect.Effect<Refund, E>
  readonly claimDueRefunds: (limit: number, lease: Duration.Duration) => Effect.Effect<ReadonlyArray<{ readonly refund: Refund; readonly looks: number }>>
  readonly postponeRefund: (id: RefundId, seconds: number) => Effect.Effect<void>
}>()("@marketplace/payment/PaymentRepository") {
  static readonly layer = Layer.effect(PaymentRepository, Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const outbox = yield* Outbox
    const random = yield* SecureRandom.SecureRandom
    const soon = (seconds: number | null) => seconds === null ? sql`null` : sql`now() + ${seconds}::float8 * interval '1 second'`

    const ofOrder = SqlSchema.findAll({
      Request: OrderId,
      Result: OrderRow,
      execute: (id) =>
        sql`select o.sequence, jsonb_build_object('orderId', o.order_id, 'sealed', o.sealed, 'activeId', o.active_id) as "order",
            coalesce((select jsonb_agg(${sql.literal(paymentJson)} order by p.id) from payment p where p.order_id = o.order_id), '[]') as payments
          from order_payments o where o.order_id = ${id}`
    })

    // The lock is a statement of its own: what is read after it includes what its last holder wrote.
    const lock = (id: OrderId) => sql`select 1 from order_payments where order_id = ${id} for update`

    const locked = (id: OrderId) =>
      Effect.gen(function*() {
        const known = yield* lock(id)
        if (known.length === 0) {
          yield* sql`insert into order_payments (order_id) values (${id}) on conflict do nothing`
          yield* lock(id)
        }
        const [found] = yield* ofOrder(id)
        return found ?? (yield* Effect.die(new Error(`no row of order ${id} after its insertion`)))
      }).pipe(Effect.catchTag("SchemaError", Effect.die))

    const book = (transfers: ReadonlyArray<Transfer & { readonly paymentId: PaymentId; readonly refundId: RefundId | null }>) =>
      Effect.forEach(transfers, ({ entries, kind, paymentId, refundId }) =>
        Effect.gen(function*() {
          const id = yield* random.uuidV7()
          yield* sql`with transfer as (
              insert into ledger_transfer ${sql.insert({ id, kind, paymentId, refundId })} returning id)
            insert into ledger_entry (transfer_id, account, amount, currency)
            select transfer.id, entry.account, entry.amount, entry.currency from transfer,
              jsonb_to_recordset(${JSON.stringify(entries.map(({ account, amount }) => ({ account, ...amount })))}::jsonb)
                as entry (account text, amount bigint, currency text)`
        }), { discard: true })

    const store = Effect.fnUntraced(function*(before: Attempts, sequence: number, change: PaymentChange) {
      const known = new Set(before.payments.map(({ id }) => id))
      if (change.order !== before.order || change.events.length > 0) {
        yield* sql`update order_payments set sealed = ${change.order.sealed}, active_id = ${change.order.activeId},
          sequence = ${sequence + change.events.length} where order_id = ${change.order.orderId}`
      }
      for (const payment of change.payments) {
        if (known.has(payment.id)) {
          yield* sql`update payment set status = ${payment.status}, provider_payment_key = ${payment.providerPaymentKey},
            failure = ${payment.failure}, due_at = ${soon(nextLook(payment.status))}, looks = 0, changed_at = now() where id = ${payment.id}`
        } else {
          const { amount: { amount, currency }, ...columns } = payment
          yield* sql`insert into payment ${sql.insert({ ...columns, amount, currency })}`
        }
      }
      yield* insertAll(sql, "refund", change.refunds.map(({ amount: { amount, currency }, ...columns }) => ({ ...columns, amount, currency })))
      yield* book(change.transfers)
      yield* outbox.append({ after: sequence, events: change.events })
    })

    const update = Effect.fn("PaymentRepository.update")(<A, E>(order: OrderId, rule: Rule<A, E>) =>
      Effect.gen(function*() {
        const { sequence, ...attempts } = yield* locked(order)
        const { answer, change } = yield* Effect.fromResult(rule(attempts))
        yield* store(attempts, sequence, change)
        return answer
      })
    )

    const payment = SqlSchema.findOne({
      Request: PaymentId,
      Result: PaymentRow,
      execute: (id) => sql`select ${sql.literal(paymentJson)} as payment from payment p where p.id = ${id}`
    })
    const payments = SqlSchema.findAll({
      Request: Schema.Struct({ order: Schema.String, member: Schema.String }),
      Result: PaymentRow,
      execute: ({ member, order }) =>
        sql`select ${sql.literal(paymentJson)} as payment from payment p where p.order_id = ${order} and p.member_id = ${member} order by p.id`
    })
    const refunds = SqlSchema.findAll({
      Request: Schema.Struct({ order: Schema.String, member: Schema.String }),
      Result: RefundRow,
      execute: ({ member, order }) =>
        sql`select ${sql.literal(refundJson)} as refund from refund r join payment p on p.id = r.payment_id
          where r.order_id = ${order} and p.member_id = ${member} order by r.id`
    })
    const refundById = SqlSchema.findAll({
      Request: RefundId,
      Result: RefundRow,
      execute: (id) => sql`select ${sql.literal(refundJson)} as refund from refund r where r.id = ${id}`
    })
    const currentRefund = (refund: Refund) =>
      Effect.map(Effect.orDie(refundById(refund.id)), ([row]) => row?.refund ?? refund)
    const Claim = Schema.Struct({ limit: Schema.Int, lease: Schema.Number })
    const claimPayments = SqlSchema.findAll({
      Request: Claim,
      Result: Schema.Struct({ ...PaymentRow.fields, looks: Schema.Int, age: Schema.Number }),
      execute: ({ lease, limit }) =>
        sql`update payment p set due_at = now() + ${lease}::float8 * interval '1 second', looks = p.looks + 1
          where p.id in (select id from payment where due_at <= now() order by due_at limit ${limit} for update skip locked)
          returning ${sql.literal(paymentJson)} as payment, looks, extract(epoch from now() - changed_at)::float8 as age`
    })
    const claimRefunds = SqlSchema.findAll({
      Request: Claim,
      Result: Schema.Struct({ ...RefundRow.fields, looks: Schema.Int }),
      execute: ({ lease, limit }) =>
        sql`update refund r set due_at = now() + ${lease}::float8 * interval '1 second', looks = r.looks + 1
          where r.id in (select id from refund where due_at <= now() order by due_at limit ${limit} for update skip locked)
          returning ${sql.literal(refundJson)} as refund, looks`
    })

    return PaymentRepository.of({
      update,
      find: Effect.fn("PaymentRepository.find")((id: PaymentId) =>
        payment(id).pipe(
          Effect.map((row) => row.payment),
          Effect.catchTag("NoSuchElementError", () => new PaymentNotFound({ paymentId: id })),
          Effect.catchTags({ SqlError: Effect.die, SchemaError: Effect.die })
        )
      ),
      ofOrder: Effect.fn("PaymentRepository.ofOrder")((order, member) =>
        payments({ order, member }).pipe(Effect.map((rows) => rows.map((row) => row.payment)), Effect.orDie)
      ),
      claimDue: Effect.fn("PaymentRepository.claimDue")((limit, lease) =>
        claimPayments({ limit, lease: Duration.toSeconds(lease) }).pipe(Effect.orDie)
      ),
      hasten: Effect.fn("PaymentRepository.hasten")((id) =>
        sql`update payment set due_at = now() where id = ${id} and ${sql.in("status", givenUp)} and due_at is not null`.pipe(
          Effect.asVoid,
          Effect.orDie
        )
      ),
      hastenUnknown: sql`update payment set due_at = now() where status = 'UNKNOWN' and due_at > now()`.pipe(Effect.asVoid, Effect.orDie),
      postpone: Effect.fn("PaymentRepository.postpone")(({ id, status }, seconds) =>
        sql`update payment set due_at = ${soon(seconds)} where id = ${id} and status = ${status}`.pipe(Effect.asVoid, Effect.orDie)
      ),
      postponeRefund: Effect.fn("PaymentRepository.postponeRefund")((id, seconds) =>
        sql`update refund set due_at = ${soon(seconds)} where id = ${id} and due_at is not null`.pipe(Effect.asVoid, Effect.orDie)
      ),
      refundsOf: Effect.fn("PaymentRepository.refundsOf")((order, member) =>
        refunds({ order, member }).pipe(Effect.map((rows) => rows.map((row) => row.refund)), Effect.orDie)
      ),
      updateRefund: Effect.fn("PaymentRepository.updateRefund")(<E>(refund: Refund, rule: (current: Refund) => Result.Result<RefundChange, E>) =>
        Effect.gen(function*() {
          const { sequence } = yield* locked(refund.orderId)
          const current = yield* currentRefund(refund)
          const { events, refund: next, transfers } = yield* Effect.fromResult(rule(current))
          yield* sql`update refund set status = ${next.status}, due_at = ${soon(refundIsOpen(next) ? submissionLease : null)}, changed_at = now()
            where id = ${next.id}`
          if (events.length > 0) yield* sql`update order_payments set sequence = ${sequence + events.length} where order_id = ${next.orderId}`
          yield* book(transfers.map((transfer) => ({ ...transfer, paymentId: next.paymentId, refundId: next.id })))
          yield* outbox.append({ after: sequence, events })
          return next
        }).pipe(sql.withTransaction, Effect.catchIf((error) => SqlError.isSqlError(error), Effect.die))
      ),
      claimDueRefunds: Effect.fn("PaymentRepository.claimDueRefunds")((limit, lease) =>
        claimRefunds({ limit, lease: Duration.toSeconds(lease) }).pipe(Effect.orDie)
      )
    })
  }))
}

/** While a refund is being submitted nobody else submits it. */
const submissionLease = 15

const refundIsOpen = ({ status }: Refund) => !RefundStatus.final.includes(status) && status !== "SUCCEEDED"
