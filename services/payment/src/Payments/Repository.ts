import { type Cause, Context, Duration, Effect, Layer, Result, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { SqlClient, SqlError, SqlSchema, type Statement } from "effect/sql"
import { OrderId } from "@marketplace/domain/Order/Ids"
import { PaymentId, RefundId } from "@marketplace/domain/Payment/Ids"
import { OrderPayments, type Payment, type PaymentChange, PaymentNotFound } from "@marketplace/domain/Payment/Payment"
import { type Refund, type RefundChange, RefundStatus } from "@marketplace/domain/Payment/Refund"
import type { MemberId } from "@marketplace/domain/User/Ids"
import { Outbox } from "@marketplace/events/Outbox"
import * as Write from "@marketplace/postgres/Write"
import {
  entriesJson, inSeconds, OrderRow, paymentJson, PaymentRow, paymentsJson, refundJson, RefundRow, refundsJson, transfersJson, type Written
} from "./Row.ts"
import { givenUp } from "./Schedule.ts"

/** All attempts to pay one order, as they were after some change. */
export interface Attempts {
  readonly order: OrderPayments
  /** Oldest first. */
  readonly payments: ReadonlyArray<Payment>
  /** Of the last event told about them. */
  readonly sequence: number
  /** Counts changes; a write goes through only from the version it was decided for. */
  readonly version: number
}

/** No attempt yet. */
export const unpaid = (orderId: OrderId): Attempts => ({
  order: new OrderPayments({ orderId, sealed: false, activeId: null }), payments: [], sequence: 0, version: 0
})

/** An attempt about which something is to be found out. */
export interface Due {
  readonly payment: Payment
  /** How often it was looked at since it came into its state, this time included. */
  readonly looks: number
  /** Seconds since it came into its state. */
  readonly age: number
}

/** Decides what becomes of an order's payments; pure, since it runs again when somebody else was faster. */
export type Rule<A, E> = (attempts: Attempts) => Result.Result<Decision<A>, E>

export interface Decision<A> {
  readonly change: PaymentChange
  readonly answer: A
}

/** What is to be written with what a rule decided, and answered. */
export type With<A, E> = (answer: A) => Effect.Effect<Write.Write<E>>

export interface Updated<A> {
  readonly answer: A
  /** As they are now. */
  readonly attempts: Attempts
}

/** Where payments, refunds and the ledger are kept: state, bookings and events of one change are one write. */
export class PaymentRepository extends Context.Service<PaymentRepository, {
  /**
   * Lets the rule decide about what is known, or read where nothing is; stores what it decided if that is still how the
   * attempts are, and otherwise, or when the rule refuses, begins again with what they are now. One statement, with what
   * `also` gives.
   */
  readonly update: <A, E, E2 = never>(known: OrderId | Attempts, rule: Rule<A, E>, also?: With<A, E2>) =>
    Effect.Effect<Updated<A>, E | E2 | SqlError.SqlError>
  /** All attempts of the order that the payment is for. */
  readonly attemptsOf: (id: PaymentId) => Effect.Effect<Attempts, PaymentNotFound>
  readonly find: (id: PaymentId) => Effect.Effect<Payment, PaymentNotFound>
  readonly ofOrder: (order: OrderId, member: MemberId) => Effect.Effect<ReadonlyArray<Payment>>
  /** Attempts about which something is to be found out at the provider. Each is given out once per `lease`. */
  readonly claimDue: (limit: number, lease: Duration.Duration) => Effect.Effect<ReadonlyArray<Due>>
  /** A look found nothing new: the next one is in so many seconds, or never. */
  readonly postpone: (payment: Payment, seconds: number | null) => Effect.Effect<void>
  /** Has the resolver look now at an attempt that was given up; does nothing to one that is not. */
  readonly hasten: (id: PaymentId) => Effect.Effect<void>
  /** The provider answers again: has every UNKNOWN attempt and every refund that waits looked at now. */
  readonly hastenUnknown: Effect.Effect<void>
  readonly refundsOf: (order: OrderId, member: MemberId) => Effect.Effect<ReadonlyArray<Refund>>
  /** The same for a refund. */
  readonly updateRefund: <E>(refund: Refund, rule: (current: Refund) => Result.Result<RefundChange, E>) => Effect.Effect<Refund, E>
  readonly claimDueRefunds: (limit: number, lease: Duration.Duration) => Effect.Effect<ReadonlyArray<{ readonly refund: Refund; readonly looks: number }>>
  readonly postponeRefund: (id: RefundId, seconds: number) => Effect.Effect<void>
}>()("@marketplace/payment/PaymentRepository") {
  static readonly layer = Layer.effect(PaymentRepository, Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const outbox = yield* Outbox
    const random = yield* SecureRandom.SecureRandom
    const soon = (seconds: number | null) => seconds === null ? sql`null` : sql`now() + ${seconds}::float8 * interval '1 second'`

    const attempts = sql`select o.sequence, o.version,
        jsonb_build_object('orderId', o.order_id, 'sealed', o.sealed, 'activeId', o.active_id) as "order",
        coalesce((select jsonb_agg(${sql.literal(paymentJson)} order by p.id) from payment p where p.order_id = o.order_id), '[]') as payments
      from order_payments o`
    const ofOrder = SqlSchema.findAll({ Request: OrderId, Result: OrderRow, execute: (id) => sql`${attempts} where o.order_id = ${id}` })
    const ofPayment = SqlSchema.findOne({
      Request: PaymentId,
      Result: OrderRow,
      execute: (id) => sql`${attempts} where o.order_id = (select order_id from payment where id = ${id})`
    })

    /** An order without attempts has no row yet. */
    const current = (id: OrderId) =>
      ofOrder(id).pipe(Effect.map(([found]) => found ?? unpaid(id)), Effect.catchTag("SchemaError", Effect.die))

    /** Left out where there is nothing to write: PostgreSQL would open its tables and indexes all the same. */
    const part = (rows: ReadonlyArray<unknown>, write: () => Statement.Fragment) => rows.length === 0 ? sql`` : sql`, ${write()}`

    const isHead = sql`exists (select from head)`

    /** False when the order's attempts are no longer what was read; nothing is written then. */
    const store = Effect.fnUntraced(function*<E>({ sequence, version }: Attempts, change: Written, also: Write.Write<E>) {
      const { order, transfers } = change
      const events = yield* outbox.tell({ after: sequence, events: change.events })
      const bookings = yield* Effect.forEach(transfers, (transfer) => Effect.map(random.uuidV7(), (id) => ({ ...transfer, id })))
      const payments = part(change.payments, () => sql`
        attempts as (
          insert into payment (id, order_id, member_id, amount, currency, method, provider, status, provider_payment_key, failure, due_at)
          select id, head.order_id, member_id, amount, currency, method, provider, status, provider_payment_key, failure, ${inSeconds(sql)}
          from head, jsonb_to_recordset(${paymentsJson(change.payments)}::jsonb) as (id uuid, member_id uuid, amount bigint, currency text,
            method text, provider text, status text, provider_payment_key text, failure text, due float8)
          on conflict (id) do update set status = excluded.status, provider_payment_key = excluded.provider_payment_key,
            failure = excluded.failure, due_at = excluded.due_at, looks = 0, changed_at = now())`)
      const refunds = part(change.refunds, () => sql`
        returned as (
          insert into refund (id, payment_id, order_id, amount, currency, reason, status, due_at)
          select id, payment_id, head.order_id, amount, currency, reason, status, ${inSeconds(sql)}
          from head, jsonb_to_recordset(${refundsJson(change.refunds)}::jsonb) as (id uuid, payment_id uuid, amount bigint, currency text,
            reason text, status text, due float8)
          on conflict (id) do update set status = excluded.status, due_at = excluded.due_at, changed_at = now())`)
      const ledger = part(bookings, () => sql`
        transfer as (
          insert into ledger_transfer (id, kind, payment_id, refund_id)
          select id, kind, payment_id, refund_id
          from head, jsonb_to_recordset(${transfersJson(bookings)}::jsonb) as (id uuid, kind text, payment_id uuid, refund_id uuid)),
        entry as (
          insert into ledger_entry (transfer_id, account, amount, currency)
          select transfer_id, account, amount, currency
          from head, jsonb_to_recordset(${entriesJson(bookings)}::jsonb) as (transfer_id uuid, account text, amount bigint, currency text))`)
      const written = yield* sql`with head as (
          insert into order_payments as o (order_id, sealed, active_id, sequence, version)
          values (${order.orderId}, ${order.sealed}, ${order.activeId}, ${sequence + change.events.length}, 1)
          on conflict (order_id) do update
            set sealed = excluded.sealed, active_id = excluded.active_id, sequence = excluded.sequence, version = o.version + 1
            where o.version = ${version}
          returning order_id)${payments}${refunds}${ledger}
          ${Write.parts(sql, "event", events, isHead)}${Write.parts(sql, "also", also, isHead)}
        select order_id from head`.pipe(Effect.mapError(also.meaning))
      if (written.length === 0) return false
      yield* Effect.andThen(events.made, also.made)
      return true
    })

    /** Nothing where the attempts are no longer these. */
    const write = Effect.fnUntraced(function*<A, E2>(attempts: Attempts, { answer, change }: Decision<A>, also: With<A, E2>) {
      const written = { ...change, refunds: change.refunds.map((refund) => ({ ...refund, due: 0 })) }
      const stored = yield* store(attempts, written, yield* also(answer))
      return stored ? { answer, attempts: after(attempts, change) } : undefined
    })

    const update = Effect.fn("PaymentRepository.update")(function*<A, E, E2 = never>(
      known: OrderId | Attempts,
      rule: Rule<A, E>,
      also: With<A, E2> = () => Effect.succeed(Write.nothing)
    ) {
      // What is known may be outdated: that the rule refuses it says nothing yet.
      if (typeof known !== "string") {
        const decision = rule(known)
        const updated = Result.isFailure(decision) ? undefined : yield* write(known, decision.success, also)
        if (updated !== undefined) return updated
      }
      const id = typeof known === "string" ? known : known.order.orderId
      while (true) {
        const attempts = yield* current(id)
        const updated = yield* write(attempts, yield* Effect.fromResult(rule(attempts)), also)
        if (updated !== undefined) return updated
      }
    })

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
      attemptsOf: Effect.fn("PaymentRepository.attemptsOf")((id) => orNotFound(id, ofPayment(id))),
      find: Effect.fn("PaymentRepository.find")((id) => Effect.map(orNotFound(id, payment(id)), (row) => row.payment)),
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
      hastenUnknown: sql`with payments as (update payment set due_at = now() where status = 'UNKNOWN' and due_at > now())
        update refund set due_at = now() where status in ('UNKNOWN', 'FAILED') and due_at > now()`.pipe(Effect.asVoid, Effect.orDie),
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
          while (true) {
            const attempts = yield* current(refund.orderId)
            const { events, refund: next, transfers } = yield* Effect.fromResult(rule(yield* currentRefund(refund)))
            const booked = transfers.map((transfer) => ({ ...transfer, paymentId: next.paymentId, refundId: next.id }))
            const refunds = [{ ...next, due: refundIsOpen(next) ? submissionLease : null }]
            const written = { order: attempts.order, payments: [], refunds, transfers: booked, events }
            if (yield* store(attempts, written, Write.nothing)) return next
          }
        }).pipe(Effect.catchIf(SqlError.isSqlError, Effect.die))
      ),
      claimDueRefunds: Effect.fn("PaymentRepository.claimDueRefunds")((limit, lease) =>
        claimRefunds({ limit, lease: Duration.toSeconds(lease) }).pipe(Effect.orDie)
      )
    })
  }))
}

const orNotFound = <A>(paymentId: PaymentId, found: Effect.Effect<A, Cause.NoSuchElementError | Schema.SchemaError | SqlError.SqlError>) =>
  found.pipe(
    Effect.catchTag("NoSuchElementError", () => new PaymentNotFound({ paymentId })),
    Effect.catchTags({ SqlError: Effect.die, SchemaError: Effect.die })
  )

const after = (attempts: Attempts, { events, order, payments }: PaymentChange): Attempts => ({
  order,
  payments: [...new Map([...attempts.payments, ...payments].map((payment) => [payment.id, payment])).values()],
  sequence: attempts.sequence + events.length,
  version: attempts.version + 1
})

/** While a refund is being submitted nobody else submits it. */
const submissionLease = 15

const refundIsOpen = ({ status }: Refund) => !RefundStatus.final.includes(status) && status !== "SUCCEEDED"
