import { Context, Effect, Layer, Ref, Schema } from "effect"
import { SqlClient, SqlSchema, type Statement } from "effect/sql"
import type { PaymentId } from "@marketplace/domain/Payment/Ids"
import { PlannedFault, type Script, type Switch } from "./Api.ts"
import { faults, magicOf, type Stage, strikingAt } from "./Faults/Catalog.ts"

type Plan = Omit<typeof PlannedFault.Type, "applied">

/**
 * What is to go wrong, and how often it did. The faults of payments survive a restart, the switch does not. One process per
 * database: the switch, and which payments have faults, are known in memory.
 */
export class Faults extends Context.Service<Faults, {
  readonly plan: (order: PaymentId, planned: ReadonlyArray<Plan>) => Effect.Effect<typeof Script.Type>
  /** What the amount asks for, unless the payment has a script. */
  readonly planByAmount: (order: PaymentId, amount: number) => Effect.Effect<void>
  readonly script: (order: PaymentId) => Effect.Effect<typeof Script.Type>
  /** Uses up one application of the payment's next fault of that stage. */
  readonly strike: (order: PaymentId, stage: Stage) => Effect.Effect<typeof PlannedFault.Type | undefined>
  readonly switchTo: (down: boolean) => Effect.Effect<typeof Switch.Type>
  readonly switched: Effect.Effect<typeof Switch.Type>
  /** Whether to answer nothing but 503; counts the request when so. */
  readonly isDown: Effect.Effect<boolean>
}>()("@marketplace/simulator/Faults") {
  static readonly layer = Layer.effect(Faults, Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const state = yield* Ref.make<typeof Switch.Type>({ down: false, applied: 0 })
    // Most payments have none, and need not be looked up at each call.
    const afflicted = new Set((yield* sql<{ readonly orderId: string }>`select distinct order_id from fault where applied < times`)
      .map(({ orderId }) => orderId))

    const rows = (statement: Statement.Statement<unknown>) =>
      SqlSchema.findAll({ Request: Schema.Void, Result: PlannedFault, execute: () => statement })(undefined).pipe(Effect.orDie)

    const script = Effect.fn("Faults.script")(function*(order: PaymentId) {
      const planned = sql`select fault, times, delay_millis, applied from fault where order_id = ${order} order by ordinal`
      return { faults: yield* rows(planned) }
    })

    const insert = Effect.fnUntraced(function*(order: PaymentId, planned: ReadonlyArray<Plan>) {
      if (planned.length > 0) afflicted.add(order)
      yield* Effect.forEach(planned.entries(), ([ordinal, one]) =>
        sql`insert into fault ${sql.insert({ ...one, orderId: order, ordinal })} on conflict do nothing`, { discard: true })
    })

    return Faults.of({
      plan: Effect.fn("Faults.plan")(function*(order, planned) {
        yield* Effect.andThen(sql`delete from fault where order_id = ${order}`, insert(order, planned)).pipe(
          sql.withTransaction,
          Effect.orDie
        )
        return yield* script(order)
      }),

      planByAmount: Effect.fn("Faults.planByAmount")(function*(order, amount) {
        const fault = magicOf(amount)
        if (fault === undefined) return
        const [planned] = yield* sql`select from fault where order_id = ${order}`
        if (planned === undefined) yield* insert(order, [{ fault, times: faults[fault].times, delayMillis: 3_000 }])
      }, Effect.orDie),

      script,

      strike: Effect.fn("Faults.strike")(function*(order, stage) {
        if (!afflicted.has(order)) return undefined
        const [struck] = yield* rows(
          sql`update fault set applied = applied + 1 where (order_id, ordinal) = (
              select order_id, ordinal from fault
              where order_id = ${order} and ${sql.in("fault", strikingAt(stage))} and applied < times
              order by ordinal limit 1 for update)
            returning fault, times, delay_millis, applied`
        )
        if (struck !== undefined) yield* Effect.logInfo(`Fault ${struck.fault} strikes payment ${order}`)
        return struck
      }),

      switchTo: (down) => Ref.updateAndGet(state, () => ({ down, applied: 0 })),
      switched: Ref.get(state),
      isDown: Ref.modify(state, (now) => now.down ? [true, { ...now, applied: now.applied + 1 }] : [false, now])
    })
  }))
}
