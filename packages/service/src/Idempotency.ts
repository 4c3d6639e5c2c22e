import { Context, Effect, Layer, Metric } from "effect"
import { SecureRandom } from "effect/crypto"
import { type HttpServerRequest, HttpServerResponse, ProblemDetails } from "effect/http"
import { SqlClient, type SqlError, type Statement } from "effect/sql"
import type { Migration } from "@marketplace/postgres/Migrations"
import * as Write from "@marketplace/postgres/Write"
import { IdempotencyKeyReused, RequestInFlight } from "@marketplace/schema/Problems"
import type { IdempotencyKey } from "@marketplace/schema/Requests"
import * as Metrics from "@marketplace/telemetry/Metrics"
import { Commands } from "./Commands.ts"
import { fingerprint } from "./Idempotency/Fingerprint.ts"
import type { Answer, Operation } from "./Idempotency/Operation.ts"
import * as Stored from "./Idempotency/Stored.ts"

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
      -- the stored answer; null while the work is under way
      status smallint,
      body text,
      -- the attempt that may work until then
      holder uuid not null,
      lease_until timestamptz not null,
      created_at timestamptz not null default now(),
      primary key (caller, route, key),
      check ((status is null) = (body is null))
    );
    create index idempotency_by_resource on idempotency (resource_id);
    create index idempotency_by_age on idempotency (created_at)`
}

/** Who asks, with which key. */
export interface Request<Id> {
  /** Keys of different callers have nothing to do with each other: the member's id, the enterprise's. */
  readonly caller: string
  readonly key: IdempotencyKey
  /** The resource, if it exists already (a payment to be confirmed); otherwise a new id is made. */
  readonly resourceId?: Id
}

/** One request with a key, in the hands of the work that it asks for. */
export interface Attempt<Id> {
  /** Of the resource to be made or decided: the same for every attempt with the same key. */
  readonly resourceId: Id
  /** An earlier attempt committed its first step and did not come to an end: go on from what is stored. */
  readonly resumed: boolean
  /**
   * Stores the key, with the answer if it is known already; to be written with the first state change, so that there is both
   * or neither. Refuses if the key is there already. Writes nothing when resumed. Work that fails before it must have changed
   * nothing, since it may turn out that the key is known: then its answer is the stored one.
   *
   * @param answer made by the operation's `encode`
   */
  readonly begin: (answer?: Answer) => Write.Write<RequestInFlight>
}

/**
 * Makes an operation take effect once per (caller, route, key), however often and at whatever moment the request is sent
 * again, and answers repetitions with what was answered first.
 *
 * **One statement** (making a payment). Only a fresh attempt asks what may have changed since; key, state and answer are
 * written together. A refusal writes nothing, and the key may be used again.
 *
 * ```ts
 * const creating = operation(PaymentsGroup.endpoints.create, PaymentId)
 *
 * idempotency.attempt(creating, { caller: memberId, key: headers["idempotency-key"] }, Effect.fnUntraced(function*(attempt) {
 *   const order = yield* orders.PayableOrder({ orderId, memberId })
 *   const payment = open(attempt.resourceId, order)
 *   const answer = yield* creating.encode(paymentView(payment))
 *   return yield* payments.insert(payment, attempt.begin(answer))
 * }))
 * ```
 *
 * **Several commits** (checkout). The first one stores the key with the order that is being placed. Whoever brings the order
 * to its decision (this attempt, a later one or a sweeper) stores the answer with the decision.
 *
 * ```ts
 * idempotency.attempt(placing, request, Effect.fnUntraced(function*(attempt) {
 *   if (!attempt.resumed) {
 *     yield* orders.insert(draft(attempt.resourceId, yield* products.QuoteVariants(lines)), attempt.begin())
 *   }
 *   yield* products.ReserveStock(…)          // product is away: 503, and the same key goes on from here
 *   return yield* orders.update(attempt.resourceId, reserved, (order) => idempotency.complete(placing, order.id, viewOf(order)))
 * }))
 * ```
 */
export class Idempotency extends Context.Service<Idempotency, {
  /**
   * Runs the work, or gives the stored answer as a response with `Idempotency-Replayed: true`; a handler returns either.
   * The work is a command (`Commands`): its caller cannot cut it off. It holds a lease of 30 s; while that lasts the same
   * request is `RequestInFlight`, afterwards it resumes. Work that fails gives its lease back: the next attempt need not wait.
   */
  readonly attempt: <Id extends string, View, Refusal, A, E, R>(
    operation: Operation<Id, View, Refusal>,
    request: Request<Id>,
    work: (attempt: Attempt<Id>) => Effect.Effect<A, E | RequestInFlight, R>
  ) => Effect.Effect<
    A | HttpServerResponse.HttpServerResponse,
    E | IdempotencyKeyReused | RequestInFlight,
    R | HttpServerRequest.HttpServerRequest
  >
  /**
   * Stores the answer of the work on a resource, its view or a final refusal; to be written with what brings the work to its
   * end. Writes nothing if there is no open record: the first answer stays.
   */
  readonly complete: <Id extends string, View, Refusal>(
    operation: Operation<Id, View, Refusal>,
    resourceId: Id,
    answer: View | Refusal
  ) => Effect.Effect<Write.Write>
  /** Takes an open record away; to be written with what undoes the first step: the same key may start anew. */
  readonly forget: <Id extends string>(operation: Operation<Id, never, never>, resourceId: Id) => Write.Write
  /** Deletes at most `limit` records older than 24 hours and tells how many there were: a sweep (`Sweeper`). */
  readonly prune: (limit: number) => Effect.Effect<number>
}>()("@marketplace/service/Idempotency") {
  static readonly layer = Layer.effect(Idempotency, Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const random = yield* SecureRandom.SecureRandom
    const commands = yield* Commands
    const lease = sql`clock_timestamp() + interval '30 seconds'`

    const find = Stored.make(sql)

    const lookup = Effect.fn("Idempotency.lookup")(function*({ caller, fingerprint, holder, key, route }: Record) {
      const row = yield* find({ caller, route, key })
      if (row === undefined) return undefined
      if (row.fingerprint !== fingerprint) return yield* new IdempotencyKeyReused({})
      if (row.status !== null) return row
      // Of those who find at the same time that a lease has run out, one gets it.
      const taken = row.held ? [] : yield* Effect.orDie(
        sql`update idempotency set holder = ${holder}, lease_until = ${lease}
          where caller = ${caller} and route = ${route} and key = ${key} and status is null and lease_until <= clock_timestamp()
          returning 1`
      )
      return taken.length === 0 ? yield* inFlight : row
    })

    /** Waits for the end of a transaction that is storing the same key. */
    const begin = ({ caller, fingerprint, holder, key, route }: Record, resourceId: string, answer: Answer | undefined) =>
      (when: Statement.Fragment) =>
        sql`insert into idempotency (caller, route, key, fingerprint, resource_id, holder, lease_until, status, body)
          select ${caller}, ${route}, ${key}, ${fingerprint}, ${resourceId}::uuid, ${holder}::uuid, ${lease},
            ${answer?.status ?? null}::smallint, ${answer?.body ?? null}::text
          where ${when}`

    const giveBack = Effect.fn("Idempotency.giveBack")(({ caller, holder, key, route }: Record) =>
      sql`update idempotency set lease_until = clock_timestamp()
        where caller = ${caller} and route = ${route} and key = ${key} and holder = ${holder} and status is null`.pipe(
        Effect.ignore({ log: "Warn", message: "A lease could not be given back and runs until its end" })
      )
    )

    const attempt = Effect.fn("Idempotency.attempt")(function*<Id extends string, View, Refusal, A, E, R>(
      { idOf, route }: Operation<Id, View, Refusal>,
      { caller, key, resourceId }: Request<Id>,
      work: (attempt: Attempt<Id>) => Effect.Effect<A, E | RequestInFlight, R>
    ) {
      const holder = yield* random.uuidV7()
      const record = { caller, route, key, fingerprint: yield* fingerprint, holder }
      let holds = false
      // Its statement may be committed although nobody heard of it.
      let mayHold = false
      const run = (resourceId: Id, resumed: boolean) =>
        work({
          resourceId,
          resumed,
          begin: (answer) => {
            if (resumed) return Write.nothing
            mayHold = true
            return { statements: [begin(record, resourceId, answer)], meaning: isKnown, made: Effect.sync(() => void (holds = true)) }
          }
        })
      const goOn = Effect.fnUntraced(function*(error: E | RequestInFlight) {
        const known = holds ? undefined : yield* lookup(record)
        if (known === undefined) return yield* Effect.fail(error)
        if (isAnswered(known)) return yield* replay(route, known)
        holds = mayHold = true
        return yield* run(idOf(known.resourceId), true)
      })
      // Most keys are new: what is known of this one is asked only when the work cannot be done as that of a new one.
      return yield* run(resourceId ?? idOf(holder), false).pipe(
        Effect.catch(goOn),
        Effect.onError(() => mayHold ? giveBack(record) : Effect.void)
      )
    }, commands.run)

    return Idempotency.of({
      attempt,
      complete: ({ encode, route }, resourceId, answer) =>
        Effect.map(encode(answer), ({ body, status }) => ({
          ...Write.nothing,
          statements: [(when) =>
            sql`update idempotency set status = ${status}, body = ${body}
              where resource_id = ${resourceId} and route = ${route} and status is null and ${when}`]
        })),
      forget: ({ route }, resourceId) => ({
        ...Write.nothing,
        statements: [(when) =>
          sql`delete from idempotency where resource_id = ${resourceId} and route = ${route} and status is null and ${when}`]
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

interface Record {
  readonly caller: string
  readonly route: string
  readonly key: string
  readonly fingerprint: string
  /** This attempt; the fence of its lease. */
  readonly holder: string
}

const inFlight = Effect.suspend(() => new RequestInFlight({ retryAfterSeconds: 1 }))

/** Somebody has stored the key before. */
const isKnown = (error: SqlError.SqlError) =>
  error.reason._tag === "UniqueViolation" && error.reason.constraint === "idempotency_pkey"
    ? new RequestInFlight({ retryAfterSeconds: 1 })
    : error

interface Answered {
  readonly status: number
  readonly body: string
}

const isAnswered = <Found extends { readonly status: number | null; readonly body: string | null }>(
  found: Found | undefined
): found is Found & Answered => found !== undefined && found.status !== null && found.body !== null

/** The stored text itself, so that a repetition is the first answer to the byte. */
const replay = (route: string, { body, status }: Answered) =>
  Effect.as(
    Metric.update(Metrics.idempotencyReplays(route), 1),
    HttpServerResponse.text(body, {
      status,
      contentType: status < 400 ? "application/json" : ProblemDetails.contentType,
      headers: { "idempotency-replayed": "true" }
    })
  )
