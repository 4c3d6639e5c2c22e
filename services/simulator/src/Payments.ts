import { Context, Duration, Effect, Layer, Option, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { SqlClient, SqlError, SqlSchema, type Statement } from "effect/sql"
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

    /** Writers share it; a reader of the journal takes it alone and so sees no gap that is still to be filled. */
    const writing = sql`select pg_advisory_xact_lock_shared(hashtext('simulator.entry'))`
    const reading = sql`select pg_advisory_xact_lock(hashtext('simulator.entry'))`

    const select = (where: Statement.Fragment): Effect.Effect<Option.Option<Row.Row>, SqlError.SqlError> =>
      SqlSchema.findOneOption({
        Request: Schema.Void,
        Result: Row.Row,
        execute: () => sql`select ${sql.literal(Row.columns)} from payment p where ${where}`
      })(undefined).pipe(Effect.catchTag("SchemaError", Effect.die))
    // The lock is a statement of its own: what is read after it includes what its last holder wrote.
    const lockedBy = (where: Statement.Fragment) =>
      Effect.andThen(sql`select from payment where ${where} for update`, select(where))
    const locked = (paymentKey: string) => lockedBy(sql`payment_key = ${paymentKey}`)
    const byOrder = (order: PaymentId) => select(sql`order_id = ${order}`)

    const append = Effect.fnUntraced(function*(
      kind: Row.Entry["kind"],
      { idempotencyKey, reason, ...entry }: {
        readonly paymentKey: string
        readonly amount: number
        readonly reason?: string
        readonly idempotencyKey?: string
      }
    ) {
      const transactionKey = yield* random.uuidV7()
      yield* writing
      yield* sql`insert into entry ${sql.insert({
        ...entry,
        kind,
        transactionKey,
        reason: reason ?? null,
        idempotencyKey: idempotencyKey ?? null
      })}`
    })

    /** The first answer to a key, whatever it was used for. */
    const replay = Effect.fnUntraced(function*(kind: Row.Entry["kind"], idempotencyKey: string) {
      const [used] = yield* sql<{ readonly paymentKey: string }>`
        select payment_key from entry where kind = ${kind} and idempotency_key = ${idempotencyKey}`
      return used === undefined ? Option.none() : Option.map(yield* locked(used.paymentKey), (row) => {
        const entry = row.entries.find((one) => one.kind === kind && one.idempotencyKey === idempotencyKey)
        return Row.viewOf(entry === undefined ? row : Row.asOf(row, entry))
      })
    })

    /** All or nothing; again from the start when another request used the key in the meantime. */
    const once = <A, E>(work: Effect.Effect<A, E | SqlError.SqlError>): Effect.Effect<A, E> =>
      sql.withTransaction(work).pipe(
        Effect.retry({ times: 1, while: (error) => SqlError.isSqlError(error) && error.reason._tag === "UniqueViolation" }),
        Effect.catch((error) => SqlError.isSqlError(error) ? Effect.die(error) : Effect.fail(error))
      )

    return Payments.of({
      approve: Effect.fn("Payments.approve")(function*({ amount, currency, method, paymentId }) {
        const paymentKey = `sim_${yield* random.uuidV4()}`
        return yield* once(Effect.gen(function*() {
          const made = yield* sql`insert into payment (payment_key, order_id, amount, currency, method, expires_at)
            values (${paymentKey}, ${paymentId}, ${amount}, ${currency}, ${method},
              now() + ${Duration.toSeconds(confirmationWindow)}::float8 * interval '1 second')
            on conflict (order_id) do nothing returning payment_key`
          if (made.length > 0) {
            yield* append("APPROVAL", { paymentKey, amount })
            if (method === "TRANSFER") yield* append("CAPTURE", { paymentKey, amount })
            return { paymentKey }
          }
          const before = Option.getOrThrow(yield* byOrder(paymentId))
          const same = before.amount === amount && before.currency === currency && before.method === method
          return same ? { paymentKey: before.paymentKey } : yield* new Refused(saying("DUPLICATED_ORDER_ID"))
        }))
      }),

      refuse: Effect.fn("Payments.refuse")(function*(order) {
        const row = Option.getOrUndefined(yield* lockedBy(sql`order_id = ${order}`))
        if (row === undefined || Row.captureOf(row) !== undefined) return
        const refusal = row.method === "TRANSFER" ? "REJECT_ACCOUNT_PAYMENT" : "REJECT_CARD_PAYMENT"
        yield* sql`update payment set refusal = ${refusal} where payment_key = ${row.paymentKey}`
      }, sql.withTransaction, Effect.orDie),

      confirm: Effect.fn("Payments.confirm")((request, idempotencyKey) =>
        once(Effect.gen(function*() {
          const first = yield* replay("CAPTURE", idempotencyKey)
          if (Option.isSome(first)) return first.value
          const row = Option.getOrUndefined(yield* locked(request.paymentKey))
          if (row?.orderId !== request.orderId) return yield* new NotFound(saying("NOT_FOUND_PAYMENT_SESSION"))
          const capture = Row.captureOf(row)
          if (capture !== undefined) {
            const withApproval = capture.idempotencyKey === null && row.amount === request.amount
            return withApproval || capture.idempotencyKey === idempotencyKey
              ? Row.viewOf(Row.asOf(row, capture))
              : yield* new Refused(saying("ALREADY_PROCESSED_PAYMENT"))
          }
          if (row.refusal !== null) return yield* new Rejected(saying(row.refusal))
          if (row.amount !== request.amount) return yield* new Rejected(saying("PAYMENT_AMOUNT_MISMATCH"))
          if (row.expired) return yield* new NotFound(saying("NOT_FOUND_PAYMENT_SESSION"))
          yield* append("CAPTURE", { paymentKey: row.paymentKey, amount: row.amount, idempotencyKey })
          return Row.viewOf(Option.getOrThrow(yield* locked(row.paymentKey)))
        }))
      ),

      find: Effect.fn("Payments.find")((order) =>
        byOrder(order).pipe(
          Effect.orDie,
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

      cancel: Effect.fn("Payments.cancel")(({ amount, paymentKey, reason }, idempotencyKey) =>
        once(Effect.gen(function*() {
          const first = yield* replay("REFUND", idempotencyKey)
          if (Option.isSome(first)) return first.value
          const row = Option.getOrUndefined(yield* locked(paymentKey))
          if (row === undefined) return yield* new NotFound(saying("NOT_FOUND_PAYMENT"))
          const twin = row.entries.find((entry) => entry.kind === "REFUND" && entry.idempotencyKey === idempotencyKey)
          if (twin !== undefined) return Row.viewOf(Row.asOf(row, twin))
          if (Row.captureOf(row) === undefined) return yield* new Rejected(saying("NOT_CANCELABLE_PAYMENT"))
          const balance = Row.balanceOf(row)
          if (balance === 0) return yield* new Refused(saying("ALREADY_CANCELED_PAYMENT"))
          if (amount !== undefined && amount > balance) return yield* new Rejected(saying("NOT_CANCELABLE_AMOUNT"))
          yield* append("REFUND", { paymentKey, amount: amount ?? balance, reason, idempotencyKey })
          return Row.viewOf(Option.getOrThrow(yield* locked(paymentKey)))
        }))
      ),

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
