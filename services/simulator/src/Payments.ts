import { Context, Duration, Effect, Layer, Option, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { SqlClient, SqlSchema, type Statement } from "effect/sql"
import type { PaymentId } from "@marketplace/domain/Payment/Ids"
import { type Approval, JournalEntry, type ProviderPayment } from "./Api.ts"
import * as Row from "./Payments/Row.ts"
import { NotFound, Refused, Rejected, saying } from "./Refusals.ts"
import { Settings } from "./Settings.ts"

/** The provider's books. What moved money is written once, with its idempotency key, before anybody is told. */
export class Payments extends Context.Service<Payments, {
  /** TRANSFER is captured here already; the merchant may never have asked for it. */
  readonly approve: (approval: typeof Approval.Type) => Effect.Effect<{ readonly paymentKey: string }, Refused>
  /** The buyer's bank refuses, unless the money is taken already. */
  readonly refuse: (order: PaymentId) => Effect.Effect<void>
  readonly confirm: (
    request: { readonly paymentKey: string; readonly orderId: PaymentId; readonly amount: number },
    idempotencyKey: string
  ) => Effect.Effect<ProviderPayment, Refused | Rejected | NotFound>
  readonly find: (order: PaymentId) => Effect.Effect<ProviderPayment, NotFound>
  readonly orderOf: (paymentKey: string) => Effect.Effect<PaymentId, NotFound>
  /** `amount` is all that is left when it is not given. */
  readonly cancel: (
    request: { readonly paymentKey: string; readonly amount: number | undefined; readonly reason: string },
    idempotencyKey: string
  ) => Effect.Effect<ProviderPayment, Refused | Rejected | NotFound>
  /** In the order of commits: nothing appears later before a position that was read. */
  readonly journal: (after: number, limit: number) => Effect.Effect<ReadonlyArray<typeof JournalEntry.Type>>
}>()("@marketplace/simulator/Payments") {
  static readonly layer = Layer.effect(Payments, Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const random = yield* SecureRandom.SecureRandom
    const { confirmationWindow } = yield* Settings

    const read = (statement: Statement.Statement<unknown>): Effect.Effect<Option.Option<Row.Row>> =>
      SqlSchema.findOneOption({ Request: Schema.Void, Result: Row.Row, execute: () => statement })(undefined).pipe(
        Effect.orDie
      )
    const select = (where: Statement.Fragment) =>
      read(sql`select ${sql.literal(Row.columns())} from payment p where ${where}`)
    const byKey = (paymentKey: string) => select(sql`payment_key = ${paymentKey}`)
    const byOrder = (order: PaymentId) => select(sql`order_id = ${order}`)
    // A statement of its own: what is read after it includes what the lock's last holder wrote.
    const lock = (where: Statement.Fragment) => sql`select from payment where ${where} for update`

    /**
     * One entry of each kind, in this order, for the payment that `payment` makes or selects. One statement, which
     * gives the payment as it is then. None is written if there is no such payment, if it has its capture already, or
     * if the key was used before.
     *
     * Writers share the journal's lock. Each part feeds on the one before, so that the lock is taken after that of the
     * payment (else two writers and a reader waiting between them could lock each other up) and before positions are
     * given.
     */
    const append = Effect.fnUntraced(function*(
      payment: Statement.Fragment,
      kinds: ReadonlyArray<Row.Entry["kind"]>,
      { amount, idempotencyKey, reason }: {
        readonly amount: number
        readonly reason?: string
        readonly idempotencyKey?: string
      }
    ) {
      const transactionKeys = yield* Effect.forEach(kinds, () => random.uuidV7())
      const written = yield* read(sql`
        with held as (${payment}),
        writing as materialized (
          select payment_key, pg_advisory_xact_lock_shared(hashtext('simulator.entry')) from held),
        written as (
          insert into entry (kind, transaction_key, payment_key, amount, reason, idempotency_key)
          select kind, transaction_key, payment_key, ${amount}, ${reason ?? null}, ${idempotencyKey ?? null}
          from writing,
            unnest(${kinds}::text[], ${transactionKeys}::text[]) with ordinality as e (kind, transaction_key)
          order by ordinality
          on conflict do nothing returning *)
        select ${sql.literal(Row.columns("(table entry union all table written)"))} from held p
        where exists (select from written)`)
      return Option.map(written, Row.viewOf)
    })

    /** Alone, unlike writers: a reader of the journal sees no gap that is still to be filled. */
    const reading = sql`select pg_advisory_xact_lock(hashtext('simulator.entry'))`

    /** The first answer to a key, whatever it was used for. */
    const replay = (kind: Row.Entry["kind"], idempotencyKey: string) =>
      select(sql`payment_key = (
        select payment_key from entry where kind = ${kind} and idempotency_key = ${idempotencyKey})`).pipe(
        Effect.map(Option.map((row) => {
          const entry = row.entries.find((one) => one.kind === kind && one.idempotencyKey === idempotencyKey)
          return Row.viewOf(entry === undefined ? row : Row.asOf(row, entry))
        }))
      )

    return Payments.of({
      approve: Effect.fn("Payments.approve")(function*({ amount, currency, method, paymentId }) {
        const paymentKey = `sim_${yield* random.uuidV4()}`
        const made = yield* append(
          sql`insert into payment (payment_key, order_id, amount, currency, method, expires_at)
            values (${paymentKey}, ${paymentId}, ${amount}, ${currency}, ${method},
              now() + ${Duration.toSeconds(confirmationWindow)}::float8 * interval '1 second')
            on conflict (order_id) do nothing returning *`,
          method === "TRANSFER" ? ["APPROVAL", "CAPTURE"] : ["APPROVAL"],
          { amount }
        )
        if (Option.isSome(made)) return { paymentKey }
        const before = Option.getOrThrow(yield* byOrder(paymentId))
        const same = before.amount === amount && before.currency === currency && before.method === method
        return same ? { paymentKey: before.paymentKey } : yield* new Refused(saying("DUPLICATED_ORDER_ID"))
      }),

      refuse: Effect.fn("Payments.refuse")(function*(order) {
        yield* lock(sql`order_id = ${order}`)
        const row = Option.getOrUndefined(yield* byOrder(order))
        if (row === undefined || Row.captureOf(row) !== undefined) return
        const refusal = row.method === "TRANSFER" ? "REJECT_ACCOUNT_PAYMENT" : "REJECT_CARD_PAYMENT"
        yield* sql`update payment set refusal = ${refusal} where payment_key = ${row.paymentKey}`
      }, sql.withTransaction, Effect.orDie),

      confirm: Effect.fn("Payments.confirm")(function*({ amount, orderId, paymentKey }, idempotencyKey) {
        const captured = yield* append(
          sql`select * from payment where payment_key = ${paymentKey} and order_id = ${orderId} and amount = ${amount}
            and refusal is null and expires_at > now() for update`,
          ["CAPTURE"],
          { amount, idempotencyKey }
        )
        if (Option.isSome(captured)) return captured.value
        const first = yield* replay("CAPTURE", idempotencyKey)
        if (Option.isSome(first)) return first.value
        const row = Option.getOrUndefined(yield* byKey(paymentKey))
        if (row?.orderId !== orderId) return yield* new NotFound(saying("NOT_FOUND_PAYMENT_SESSION"))
        const capture = Row.captureOf(row)
        if (capture !== undefined) {
          const withApproval = capture.idempotencyKey === null && row.amount === amount
          return withApproval || capture.idempotencyKey === idempotencyKey
            ? Row.viewOf(Row.asOf(row, capture))
            : yield* new Refused(saying("ALREADY_PROCESSED_PAYMENT"))
        }
        if (row.refusal !== null) return yield* new Rejected(saying(row.refusal))
        if (row.amount !== amount) return yield* new Rejected(saying("PAYMENT_AMOUNT_MISMATCH"))
        // Too late; or too early, when it was approved only after `append` had looked.
        return yield* new NotFound(saying("NOT_FOUND_PAYMENT_SESSION"))
      }),

      find: Effect.fn("Payments.find")((order) =>
        byOrder(order).pipe(
          Effect.flatMap(Effect.fromOption),
          Effect.mapBoth({ onFailure: () => new NotFound(saying("NOT_FOUND_PAYMENT")), onSuccess: Row.viewOf })
        )
      ),

      orderOf: Effect.fn("Payments.orderOf")(function*(paymentKey) {
        const [found] = yield* Effect.orDie(
          sql<{ readonly orderId: PaymentId }>`select order_id from payment where payment_key = ${paymentKey}`
        )
        return found?.orderId ?? (yield* new NotFound(saying("NOT_FOUND_PAYMENT")))
      }),

      cancel: Effect.fn("Payments.cancel")(function*({ amount, paymentKey, reason }, idempotencyKey) {
        yield* lock(sql`payment_key = ${paymentKey}`)
        const first = yield* replay("REFUND", idempotencyKey)
        if (Option.isSome(first)) return first.value
        const row = Option.getOrUndefined(yield* byKey(paymentKey))
        if (row === undefined) return yield* new NotFound(saying("NOT_FOUND_PAYMENT"))
        if (Row.captureOf(row) === undefined) return yield* new Rejected(saying("NOT_CANCELABLE_PAYMENT"))
        const balance = Row.balanceOf(row)
        if (balance === 0) return yield* new Refused(saying("ALREADY_CANCELED_PAYMENT"))
        if (amount !== undefined && amount > balance) return yield* new Rejected(saying("NOT_CANCELABLE_AMOUNT"))
        const refunded = yield* append(
          sql`select * from payment where payment_key = ${paymentKey}`,
          ["REFUND"],
          { amount: amount ?? balance, reason, idempotencyKey }
        )
        // None when another payment used the key in the meantime.
        return Option.getOrThrow(Option.isSome(refunded) ? refunded : yield* replay("REFUND", idempotencyKey))
      }, sql.withTransaction, Effect.catchTag("SqlError", Effect.die)),

      journal: Effect.fn("Payments.journal")((after, limit) => {
        const read = SqlSchema.findAll({
          Request: JournalEntry.fields.position,
          Result: JournalEntry,
          execute: (after) => sql`
            select e.position::float8 as position, e.kind, e.transaction_key, e.payment_key, p.order_id,
              e.amount::float8 as amount, p.currency, e.idempotency_key,
              to_char(e.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at
            from entry e join payment p using (payment_key) where e.position > ${after} order by e.position limit ${limit}`
        })
        return Effect.andThen(reading, read(after)).pipe(sql.withTransaction, Effect.orDie)
      })
    })
  }))
}
