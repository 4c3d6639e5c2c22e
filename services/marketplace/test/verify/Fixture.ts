import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { check } from "../../src/Verify/Check.ts"
import { invariants } from "../../src/Verify/Invariants.ts"
import { postgres, type Sources } from "../../src/Verify/Sources.ts"
import * as Books from "../purchase/Books.ts"
import { approve, approved, confirm, eventually, offer, orderIs, paymentIs, place, startToPay } from "../purchase/Shopping.ts"
import { World } from "../purchase/World.ts"

/** Everything that was written until now counts as settled. */
export const checkSettled = Effect.fnUntraced(function*(sources: Sources = postgres) {
  const sql = yield* SqlClient.SqlClient
  const [scope] = yield* sql<{ readonly since: string; readonly settled: string }>`
    select '-infinity' as since, (clock_timestamp() + interval '10 minutes')::text as settled`
  return yield* check(invariants, scope!, sources)
})

/** The invariants that do not hold, with what breaks them. */
export const broken = Effect.fnUntraced(function*(sources: Sources = postgres) {
  const { findings } = yield* checkSettled(sources)
  return findings.filter(({ violations }) => violations > 0).map(({ invariant: { name }, rows }) => ({ name, rows }))
})

/** One order of each kind, made by the marketplace itself, and nothing under way any more. */
export const consistent = Effect.gen(function*() {
  const { buyers: { alex, minji }, sql } = yield* World
  const placed = yield* approved(minji, { offers: [yield* offer(), yield* offer()] })
  yield* confirm(minji, placed.payment, placed.paymentKey)

  const waiting = yield* place(alex, [yield* offer()], { quantity: 2 })
  const ready = yield* startToPay(alex, waiting)

  const expired = yield* approved(alex)
  yield* Books.deadlinePasses(expired.order)

  yield* Effect.flip(place(alex, [yield* offer({ onHand: 1 })], { quantity: 2 }))

  const late = yield* approved(minji, { method: "TRANSFER" })
  const card = yield* startToPay(minji, late.order)
  yield* confirm(minji, card, yield* approve(card))
  yield* Effect.flip(confirm(minji, late.payment, late.paymentKey))
  yield* paymentIs(minji, late.payment, "PAID_LATE")
  yield* orderIs(alex, expired.order, "EXPIRED")
  yield* eventually(Effect.provideService(broken(), SqlClient.SqlClient, sql), (found) => found.length === 0)
  return {
    placed: { order: placed.order.id, payment: placed.payment.id },
    waiting: { order: waiting.id, payment: ready.id },
    expired: { order: expired.order.id, payment: expired.payment.id },
    late: { order: late.order.id, payment: late.payment.id }
  }
})

export type Fixture = Effect.Success<typeof consistent>
