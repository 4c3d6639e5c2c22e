import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { OrderId } from "@marketplace/domain/Order/Ids"
import type { PaymentId } from "@marketplace/domain/Payment/Ids"
import * as Script from "@marketplace/postgres/Script"
import * as Embedded from "../../src/Embedded.ts"
import { check, type Outcome, type Scope } from "../../src/Verify/Check.ts"
import { invariants } from "../../src/Verify/Invariants.ts"
import { postgres, type Sources } from "../../src/Verify/Sources.ts"
import * as Books from "../purchase/Books.ts"
import {
  approve, approved, approvedFor, confirm, eventually, offer, orderIs, paymentIs, place, startToPay
} from "../purchase/Shopping.ts"
import * as World from "../purchase/World.ts"
import type { Plant } from "./Plant.ts"

interface Made {
  readonly order: OrderId
  readonly payment: PaymentId
}

/** One of each kind, with the payment that makes it so. */
export interface Orders {
  readonly placed: Made
  readonly waiting: Made
  readonly expired: Made
  /** Placed as well; the payment is the one that came late and was given back. */
  readonly late: Made
}

type Ask<A> = Effect.Effect<A, SqlError.SqlError, SqlClient.SqlClient>

const scopeAt = (settled: string) => Effect.fnUntraced(function*(since = "-infinity") {
  const sql = yield* SqlClient.SqlClient
  const [scope] = yield* sql<Scope>`select (${since}::timestamptz)::text as since, (${sql.literal(settled)})::text as settled`
  return scope!
})

/** All that was written until now has come to its end. */
export const afterwards = scopeAt("clock_timestamp() + interval '10 minutes'")

/** What was written in the last minute has not. */
export const meanwhile = scopeAt("clock_timestamp() - interval '1 minute'")

export const ask = (scope: Ask<Scope>, sources: Sources = postgres, asked = invariants): Ask<Outcome> =>
  Effect.flatMap(scope, (found) => check(asked, found, sources))

/** The names of what does not hold. */
export const broken = ({ findings }: Outcome): ReadonlyArray<string> =>
  findings.flatMap(({ invariant: { name }, violations }) => violations > 0 ? [name] : []).sort()

/** Returns when the marketplace has done all that it has to do. */
export const nothingIsUnderWay = eventually(ask(afterwards()), (outcome) => broken(outcome).length === 0)

class Undone extends Schema.TaggedError<Undone>()("Undone", {}) {}

/** A database in which a working marketplace has sold, in various ways, and nothing is under way any more. */
export class Shop extends Context.Service<Shop, {
  readonly orders: Orders
  /** Asks in a transaction in which something was broken first, and which leaves nothing behind. */
  readonly after: <A>(plant: Pick<Plant, "script">, question: Ask<A>) => Effect.Effect<A, SqlError.SqlError>
}>()("test/Shop") {}

const make = Effect.gen(function*() {
  const { buyers: { alex, minji }, sql } = yield* World.World
  const placed = yield* approvedFor(minji, [yield* offer(), yield* offer()])
  yield* confirm(minji, placed.payment, placed.paymentKey)

  const waiting = yield* place(alex, [yield* offer()], { quantity: 2 })
  const ready = yield* startToPay(alex, waiting)

  const expired = yield* approved(alex)
  yield* Books.deadlinePasses(expired.order)

  // rejected: there is one, and two are wanted
  yield* Effect.flip(place(alex, [yield* offer({ onHand: 1 })], { quantity: 2 }))

  const late = yield* approved(minji, { method: "TRANSFER" })
  const card = yield* startToPay(minji, late.order)
  yield* confirm(minji, card, yield* approve(card))
  yield* Effect.flip(confirm(minji, late.payment, late.paymentKey))
  yield* paymentIs(minji, late.payment, "PAID_LATE")
  yield* orderIs(alex, expired.order, "EXPIRED")

  const orders: Orders = {
    placed: { order: placed.order.id, payment: placed.payment.id },
    waiting: { order: waiting.id, payment: ready.id },
    expired: { order: expired.order.id, payment: expired.payment.id },
    late: { order: late.order.id, payment: late.payment.id }
  }
  const after = <A>({ script }: Pick<Plant, "script">, question: Ask<A>) =>
    Effect.gen(function*() {
      let answer: A | undefined
      yield* Effect.gen(function*() {
        // foreign keys are not looked at
        yield* sql`set local session_replication_role = replica`
        yield* Script.run(sql, script(orders))
        answer = yield* Effect.provideService(question, SqlClient.SqlClient, sql)
        return yield* new Undone()
      }).pipe(sql.withTransaction, Effect.catchTag("Undone", () => Effect.void))
      return answer as A
    })

  yield* Effect.provideService(nothingIsUnderWay, SqlClient.SqlClient, sql)
  return Shop.of({ orders, after })
})

export const layer = Layer.effect(Shop, make).pipe(Layer.provideMerge(World.layer(Embedded.services)))
