import { Context, Effect, Layer, Option, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { HttpServerRequest, HttpServerResponse, ProblemDetails } from "effect/http"
import { SqlClient, type SqlError, SqlSchema } from "effect/sql"
import type { Migration } from "@marketplace/postgres/Migrations"
import { IdempotencyKeyReused, RequestInFlight } from "@marketplace/schema/Problems"
import type { IdempotencyKey } from "@marketplace/schema/Requests"
import { Commands } from "./Commands.ts"
import { fingerprintOf } from "./Idempotency/Fingerprint.ts"
import type { Operation } from "./Idempotency/Operation.ts"

export { type Operation, operation } from "./Idempotency/Operation.ts"

/** Each service that takes keys has a table of its own, so that a record is committed with the state that it protects. */
export const migration: Migration = {
  id: "0000_requests",
  sql: `
    create table idempotency (
      caller text not null,
      route text not null,
      key text not null,
      -- of method, path and body
      fingerprint text not null,
      -- chosen before the work begins
      resource_id uuid not null,
      -- the stored answer; null while it is being worked out
      status smallint,
      body text,
      lease_until timestamptz not null,
      -- how many attempts have held the lease
      epoch int not null default 1,
      created_at timestamptz not null default now(),
      primary key (caller, route, key),
      check ((status is null) = (body is null))
    );
    create index idempotency_by_resource on idempotency (resource_id);
    create index idempotency_by_age on idempotency (created_at)`
}

/** One request with a key, in the hands of the work that it asks for. */
export interface Attempt<Id> {
  /** Of the resource to be made or decided: the same for every attempt with the same key. */
  readonly resourceId: Id
  /** An earlier attempt committed its first step and did not come to an end: go on from what is stored. */
  readonly resumed: boolean
  /**
   * Stores the key; run in the transaction of the first state change, so that there is both or neither. Fails if another
   * request with this key was faster: let that roll the transaction back. Does nothing when resumed.
   */
  readonly begin: Effect.Effect<void, RequestInFlight | SqlError.SqlError>
}

/** Who asks, with which key. */
export interface Request<Id> {
  /** Keys of different callers have nothing to do with each other: the member's id, the enterprise's, … */
  readonly caller: string
  readonly key: IdempotencyKey
  /** The resource if it exists already (a payment to be confirmed); otherwise a new id is made. */
  readonly resourceId?: Id
}

/**
 * Makes an operation take effect once per (caller, route, key), however often and at whatever moment the request is sent
 * again, and answers repetitions with what was answered first.
 *
 * **One transaction** (making a payment): what may have changed since is asked only by a fresh attempt; the key, the state
 * and the answer are one commit. A refusal rolls all of it back: nothing was stored, and the key may be used again.
 *
 * ```ts
 * idempotency.attempt(creating, { caller: memberId, key: headers["idempotency-key"] }, Effect.fnUntraced(function*(attempt) {
 *   const order = yield* orders.PayableOrder({ orderId, memberId })          // a repetition does not come here
 *   return yield* Effect.gen(function*() {
 *     yield* attempt.begin
 *     const view = paymentView(yield* payments.create(attempt.resourceId, order))
 *     yield* idempotency.complete(creating, attempt.resourceId, view)
 *     return view
 *   }).pipe(sql.withTransaction)
 * }))
 * ```
 *
 * **Several commits** (checkout): the first one stores the key with the order that is being placed; whoever brings the order
 * to its decision, this attempt, a later one or a sweeper, stores the answer in the transaction of the decision.
 *
 * ```ts
 * idempotency.attempt(placing, request, Effect.fnUntraced(function*(attempt) {
 *   if (!attempt.resumed) {
 *     const order = draft(attempt.resourceId, yield* products.QuoteVariants(lines))
 *     yield* sql.withTransaction(Effect.andThen(attempt.begin, orders.insert(order)))
 *   }
 *   yield* products.ReserveStock(...)        // unavailable: 503, and the same key goes on from here
 *   return yield* decide(attempt.resourceId) // update(order) and complete(placing, …) in one transaction
 * }))
 * ```
 */
export class Idempotency extends Context.Service<Idempotency, {
  /**
   * Runs the work, or gives the stored answer with `Idempotency-Replayed: true`; an answer of the right shape for a handler.
   * The work is a command (`Commands`): the caller cannot cut it off. It holds a lease of 30 s; while that lasts, the same
   * request is `RequestInFlight`, and afterwards it resumes. Work that fails gives its lease back, so that the next
   * attempt may resume at once.
   */
  readonly attempt: <Id extends string, Success, Refusal, A, E, R>(
    operation: Operation<Id, Success, Refusal>,
    request: Request<Id>,
    work: (attempt: Attempt<Id>) => Effect.Effect<A, E | RequestInFlight, R>
  ) => Effect.Effect<
    A | HttpServerResponse.HttpServerResponse,
    E | IdempotencyKeyReused | RequestInFlight,
    R | HttpServerRequest.HttpServerRequest
  >
  /**
   * Stores the answer of the work on a resource: its view or a final refusal (4xx). Run in the transaction that brings the
   * work to its end. Does nothing if there is no open record: the first answer stays.
   */
  readonly complete: <Id extends string, Success, Refusal>(
    operation: Operation<Id, Success, Refusal>,
    resourceId: Id,
    answer: Success | Refusal
  ) => Effect.Effect<void, SqlError.SqlError>
  /**
   * Takes an open record away, in the transaction that undoes the first step: what was begun turned out never to have
   * happened, and the same key may start anew.
   */
  readonly forget: <Id extends string>(
    operation: Operation<Id, never, never>,
    resourceId: Id
  ) => Effect.Effect<void, SqlError.SqlError>
  /** Deletes at most `limit` records older than 24 hours and tells how many there were; for a sweeper. */
  readonly prune: (limit: number) => Effect.Effect<number>
}>()("@marketplace/service/Idempotency") {
  static readonly layer = Layer.effect(Idempotency, Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const random = yield* SecureRandom.SecureRandom
    const commands = yield* Commands
    const lease = sql`clock_timestamp() + interval '30 seconds'`

    const find = SqlSchema.findOneOption({
      Request: Schema.Struct({ caller: Schema.String, route: Schema.String, key: Schema.String }),
      Result: Row,
      execute: ({ caller, key, route }) =>
        sql`select fingerprint, resource_id, status, body, epoch, lease_until > clock_timestamp() as held
          from idempotency where caller = ${caller} and route = ${route} and key = ${key}`
    })

    const lookup = Effect.fn("Idempotency.lookup")(function*(at: Place) {
      const row = Option.getOrUndefined(yield* Effect.orDie(find(at)))
      if (row === undefined) return undefined
      if (row.fingerprint !== at.fingerprint) return yield* new IdempotencyKeyReused({})
      if (row.status !== null) return row
      // A lease that has run out is taken over by one of those who ask.
      const taken = row.held ? [] : yield* Effect.orDie(
        sql`update idempotency set lease_until = ${lease}, epoch = epoch + 1
          where caller = ${at.caller} and route = ${at.route} and key = ${at.key} and epoch = ${row.epoch} and status is null
          returning 1`
      )
      return taken.length === 0 ? yield* inFlight : { ...row, epoch: row.epoch + 1 }
    })

    const begin = Effect.fn("Idempotency.begin")(function*(at: Place, resourceId: string) {
      // Waits for a transaction that is storing the same key.
      const stored = yield* sql`insert into idempotency (caller, route, key, fingerprint, resource_id, lease_until)
        values (${at.caller}, ${at.route}, ${at.key}, ${at.fingerprint}, ${resourceId}, ${lease})
        on conflict (caller, route, key) do nothing returning 1`
      if (stored.length === 0) return yield* inFlight
    })

    const giveBack = (at: Place, epoch: number) =>
      sql`update idempotency set lease_until = clock_timestamp()
        where caller = ${at.caller} and route = ${at.route} and key = ${at.key} and epoch = ${epoch} and status is null`.pipe(
        Effect.ignore({ log: "Warn", message: "The lease of a request runs until its end" }),
        Effect.withSpan("Idempotency.giveBack")
      )

    const attempt = Effect.fn("Idempotency.attempt")(function*<Id extends string, Success, Refusal, A, E, R>(
      operation: Operation<Id, Success, Refusal>,
      { caller, key, resourceId }: Request<Id>,
      work: (attempt: Attempt<Id>) => Effect.Effect<A, E | RequestInFlight, R>
    ) {
      const at: Place = { caller, route: operation.route, key, fingerprint: yield* fingerprintOf }
      const found = yield* lookup(at)
      if (found?.status != null) return replay(found)
      const id = found === undefined
        ? resourceId ?? operation.idOf(yield* random.uuidV7())
        : operation.idOf(found.resourceId)
      let epoch = found?.epoch
      const started = Effect.map(begin(at, id), () => {
        epoch = 1
      })
      return yield* work({ resourceId: id, resumed: found !== undefined, begin: found === undefined ? started : Effect.void }).pipe(
        Effect.onError(() => epoch === undefined ? Effect.void : giveBack(at, epoch)),
        // Whoever was faster may have finished by now.
        Effect.catchIf((error) => error instanceof RequestInFlight, (error) =>
          Effect.flatMap(lookup(at), (other) => other?.status != null ? Effect.succeed(replay(other)) : Effect.fail(error)))
      )
    }, commands.run)

    return Idempotency.of({
      attempt,
      complete: Effect.fn("Idempotency.complete")(function*(operation, resourceId, answer) {
        const { body, status } = yield* operation.encode(answer)
        yield* sql`update idempotency set status = ${status}, body = ${body}
          where resource_id = ${resourceId} and route = ${operation.route} and status is null`
      }),
      forget: Effect.fn("Idempotency.forget")(function*(operation, resourceId) {
        yield* sql`delete from idempotency where resource_id = ${resourceId} and route = ${operation.route} and status is null`
      }),
      prune: Effect.fn("Idempotency.prune")((limit) =>
        sql`delete from idempotency where (caller, route, key) in (
            select caller, route, key from idempotency where created_at < now() - interval '24 hours'
            order by created_at limit ${limit} for update skip locked)
          returning 1`.pipe(Effect.map((gone) => gone.length), Effect.orDie)
      )
    })
  }))
}

/** Where a request's record is, and what the request was. */
interface Place {
  readonly caller: string
  readonly route: string
  readonly key: string
  readonly fingerprint: string
}

const Row = Schema.Struct({
  fingerprint: Schema.String,
  resourceId: Schema.String,
  status: Schema.NullOr(Schema.Int),
  body: Schema.NullOr(Schema.String),
  epoch: Schema.Int,
  held: Schema.Boolean
})

const inFlight = Effect.suspend(() => new RequestInFlight({ retryAfterSeconds: 1 }))

/** Text as it was stored, so that a repetition is the first answer to the byte. */
const replay = ({ body, status }: typeof Row.Type) =>
  HttpServerResponse.text(body ?? "", {
    status: status ?? 500,
    contentType: (status ?? 500) < 400 ? "application/json" : ProblemDetails.contentType,
    headers: { "idempotency-replayed": "true" }
  })
