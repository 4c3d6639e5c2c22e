import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Latch, Layer, Schedule } from "effect"
import { SecureRandom } from "effect/crypto"
import { HttpClient, HttpClientRequest, HttpServer } from "effect/http"
import { SqlClient } from "effect/sql"
import { PaymentId } from "@marketplace/domain/Payment/Ids"
import * as Database from "@marketplace/postgres/Database"
import { PostgresServer } from "@marketplace/postgres/PostgresServer"
import * as Script from "@marketplace/postgres/Script"
import { client, clientWith, simulator, World } from "./World.ts"

layer(World, { excludeTestServices: true })("payment simulator", (it) => {
  const newId = Effect.gen(function*() {
    return PaymentId.make(yield* (yield* SecureRandom.SecureRandom).uuidV7())
  })

  const approved = (amount = 15_000, method: "CARD" | "TRANSFER" = "CARD") =>
    Effect.gen(function*() {
      const { checkout } = yield* client
      const orderId = yield* newId
      const { paymentKey } = yield* checkout.approve({ payload: { paymentId: orderId, amount, currency: "KRW", method } })
      return { orderId, paymentKey, amount }
    })

  const confirm = (payload: Effect.Success<ReturnType<typeof approved>>, key: string = payload.orderId) =>
    Effect.flatMap(client, ({ payments }) => payments.confirm({ headers: { "idempotency-key": key }, payload }))

  const cancel = (paymentKey: string, key: string, cancelAmount?: number) =>
    Effect.flatMap(client, ({ payments }) =>
      payments.cancel({
        params: { paymentKey },
        headers: { "idempotency-key": key },
        payload: { cancelReason: "변심", ...(cancelAmount === undefined ? {} : { cancelAmount }) }
      }))

  const find = (orderId: PaymentId) => Effect.flatMap(client, ({ payments }) => payments.find({ params: { orderId } }))

  const journalOf = (paymentKey: string) =>
    Effect.gen(function*() {
      const { control } = yield* client
      const { entries } = yield* control.journal({ query: { after: 0, limit: 10_000 } })
      return entries.filter((entry) => entry.paymentKey === paymentKey)
    })

  /** The provider's code; whatever else failed is shown as it is. */
  const codeOf = <A, E extends object, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.map(Effect.flip(effect), (error) => "code" in error ? error.code : error)

  it.effect("takes money on confirmation, not on approval", () => Effect.gen(function*() {
    const payment = yield* approved()
    assert.strictEqual((yield* find(payment.orderId)).status, "IN_PROGRESS")
    const taken = { status: "DONE", totalAmount: 15_000, balanceAmount: 15_000, orderId: payment.orderId }
    assert.containSubset(yield* confirm(payment), taken)
    assert.deepStrictEqual(
      (yield* journalOf(payment.paymentKey)).map(({ amount, idempotencyKey, kind }) => [kind, amount, idempotencyKey]),
      [["APPROVAL", 15_000, null], ["CAPTURE", 15_000, payment.orderId]]
    )
  }))

  it.effect("takes a transfer at its approval, and confirms it without taking it again", () => Effect.gen(function*() {
    const payment = yield* approved(8_000, "TRANSFER")
    assert.strictEqual((yield* find(payment.orderId)).status, "DONE")
    assert.strictEqual((yield* confirm(payment)).status, "DONE")
    assert.strictEqual(yield* codeOf(confirm({ ...payment, amount: 7_999 }, "other")), "ALREADY_PROCESSED_PAYMENT")
    assert.deepStrictEqual((yield* journalOf(payment.paymentKey)).map(({ kind }) => kind), ["APPROVAL", "CAPTURE"])
  }))

  it.effect("captures once under repeated keys, other keys and concurrency", () => Effect.gen(function*() {
    const payment = yield* approved()
    const answers = yield* Effect.all(
      Array.from({ length: 30 }, (_, i) => Effect.result(confirm(payment, i % 3 === 0 ? "another" : payment.orderId))),
      { concurrency: "unbounded" }
    )
    const won = answers.filter(({ _tag }) => _tag === "Success").length
    assert.include([10, 20], won)
    assert.strictEqual((yield* journalOf(payment.paymentKey)).filter(({ kind }) => kind === "CAPTURE").length, 1)
  }))

  it.effect("answers a key that was used before with the first answer, even for another payment", () => Effect.gen(function*() {
    const first = yield* approved()
    const second = yield* approved()
    const answer = yield* confirm(first, `reused-${first.orderId}`)
    yield* cancel(first.paymentKey, `refund-${first.orderId}`)
    assert.deepStrictEqual(yield* confirm(second, `reused-${first.orderId}`), answer)
    assert.strictEqual((yield* find(second.orderId)).status, "IN_PROGRESS")
  }))

  it.effect("decides once when one key is used for two payments at the same time", () => Effect.gen(function*() {
    const both = [yield* approved(), yield* approved()]
    const key = `race-${both[0]!.orderId}`
    const answers = yield* Effect.forEach(both, (payment) => confirm(payment, key), { concurrency: 2 })
    assert.strictEqual(new Set(answers.map(({ paymentKey }) => paymentKey)).size, 1)
    const states = yield* Effect.forEach(both, ({ orderId }) => Effect.map(find(orderId), ({ status }) => status))
    assert.sameMembers(states, ["DONE", "IN_PROGRESS"])
  }))

  it.effect("refuses amounts, keys and ids that are not those of the approval", () => Effect.gen(function*() {
    const payment = yield* approved()
    assert.strictEqual(yield* codeOf(confirm({ ...payment, amount: 1 })), "PAYMENT_AMOUNT_MISMATCH")
    assert.strictEqual(yield* codeOf(confirm({ ...payment, paymentKey: "sim_none" })), "NOT_FOUND_PAYMENT_SESSION")
    assert.strictEqual(yield* codeOf(confirm({ ...payment, orderId: yield* newId })), "NOT_FOUND_PAYMENT_SESSION")
    assert.strictEqual(yield* codeOf(find(yield* newId)), "NOT_FOUND_PAYMENT")
    const { checkout } = yield* client
    const changed = checkout.approve({ payload: { paymentId: payment.orderId, amount: 1, currency: "KRW", method: "CARD" } })
    assert.strictEqual(yield* codeOf(changed), "DUPLICATED_ORDER_ID")
    assert.deepStrictEqual((yield* journalOf(payment.paymentKey)).map(({ kind }) => kind), ["APPROVAL"])
  }))

  it.effect("refuses a confirmation that comes too late", () => Effect.gen(function*() {
    const payment = yield* approved()
    const sql = yield* SqlClient.SqlClient
    yield* sql`update payment set expires_at = now() where order_id = ${payment.orderId}`
    assert.strictEqual(yield* codeOf(confirm(payment)), "NOT_FOUND_PAYMENT_SESSION")
    assert.strictEqual((yield* find(payment.orderId)).status, "EXPIRED")
  }))

  it.effect("gives back in parts, each key once and never more than was taken", () => Effect.gen(function*() {
    const payment = yield* approved(10_000)
    assert.strictEqual(yield* codeOf(cancel(payment.paymentKey, `early-${payment.orderId}`)), "NOT_CANCELABLE_PAYMENT")
    yield* confirm(payment)
    const key = (name: string) => `${name}-${payment.orderId}`
    const attempts = Array.from({ length: 20 }, (_, i) => cancel(payment.paymentKey, key(`part${i % 4}`), 3_000))
    const answers = yield* Effect.all(attempts.map(Effect.result), { concurrency: "unbounded" })
    assert.strictEqual(answers.filter(({ _tag }) => _tag === "Success").length, 15)
    assert.containSubset(yield* find(payment.orderId), { status: "PARTIAL_CANCELED", balanceAmount: 1_000, totalAmount: 10_000 })
    const rest = yield* cancel(payment.paymentKey, key("rest"))
    assert.containSubset(rest, { status: "CANCELED", balanceAmount: 0 })
    assert.strictEqual(rest.cancels.find(({ transactionKey }) => transactionKey === rest.lastTransactionKey)?.cancelAmount, 1_000)
    assert.strictEqual(yield* codeOf(cancel(payment.paymentKey, key("more"), 1)), "ALREADY_CANCELED_PAYMENT")
    assert.deepStrictEqual(yield* cancel(payment.paymentKey, key("rest")), rest)
    const moved = (yield* journalOf(payment.paymentKey)).filter(({ kind }) => kind === "REFUND").map(({ amount }) => amount)
    assert.deepStrictEqual(moved.sort(), [1_000, 3_000, 3_000, 3_000])
  }))

  it.effect("captures a slow confirmation whose caller has left", () => Effect.gen(function*() {
    const payment = yield* approved()
    const { control } = yield* client
    yield* control.plan({ params: payment, payload: { faults: [{ fault: "SLOW", times: 1, delayMillis: 300 }] } })
    const left = yield* Effect.timeoutOption(confirm(payment), "100 millis")
    assert.strictEqual(left._tag, "None")
    assert.strictEqual((yield* find(payment.orderId)).status, "IN_PROGRESS")
    yield* find(payment.orderId).pipe(
      Effect.filterOrFail(({ status }) => status === "DONE"),
      Effect.retry(Schedule.spaced("50 millis").pipe(Schedule.upTo({ times: 100 })))
    )
  }))

  it.effect("strikes as often as planned, in the planned order, and counts", () => Effect.gen(function*() {
    const payment = yield* approved()
    const { control } = yield* client
    const script = control.script({ params: payment })
    const twice = { times: 2, delayMillis: 0 }
    const faults = [{ fault: "SERVER_ERROR", ...twice }, { fault: "NOT_FOUND", ...twice }] as const
    yield* control.plan({ params: payment, payload: { faults } })
    assert.strictEqual(yield* codeOf(confirm(payment)), "FAILED_INTERNAL_SYSTEM_PROCESSING")
    assert.strictEqual(yield* codeOf(confirm(payment)), "FAILED_INTERNAL_SYSTEM_PROCESSING")
    assert.strictEqual(yield* codeOf(find(payment.orderId)), "NOT_FOUND_PAYMENT")
    const struck = (yield* script).faults.map(({ applied, fault }) => [fault, applied])
    assert.deepStrictEqual(struck, [["SERVER_ERROR", 2], ["NOT_FOUND", 1]])
    assert.strictEqual((yield* confirm(payment)).status, "DONE")
    yield* control.plan({ params: payment, payload: { faults: [] } })
    assert.strictEqual((yield* find(payment.orderId)).status, "DONE")
  }))

  it.effect("refuses nothing that is taken already", () => Effect.gen(function*() {
    const { control } = yield* client
    const payment = yield* approved(8_000, "TRANSFER")
    yield* control.plan({ params: payment, payload: { faults: [{ fault: "DECLINE", times: 1, delayMillis: 0 }] } })
    assert.strictEqual((yield* confirm(payment)).status, "DONE")
    assert.containSubset(yield* find(payment.orderId), { status: "DONE", failure: null })
  }))

  it.effect("counts in minor units, up to a million millions", () => Effect.gen(function*() {
    const payment = yield* approved(1_000_000_000_000)
    yield* confirm(payment)
    yield* cancel(payment.paymentKey, `part-${payment.orderId}`, 999_999_999_999)
    assert.containSubset(yield* find(payment.orderId), { totalAmount: 1_000_000_000_000, balanceAmount: 1 })
    assert.deepStrictEqual((yield* journalOf(payment.paymentKey)).map(({ amount }) => amount), [
      1_000_000_000_000, 1_000_000_000_000, 999_999_999_999
    ])
  }))

  it.effect("plans a fault by a magic amount", () => Effect.gen(function*() {
    const payment = yield* approved(129_905)
    assert.strictEqual(yield* codeOf(confirm(payment)), "FAILED_INTERNAL_SYSTEM_PROCESSING")
    assert.strictEqual((yield* confirm(payment)).status, "DONE")
    const declined = yield* approved(9_901)
    assert.strictEqual(yield* codeOf(confirm(declined)), "REJECT_CARD_PAYMENT")
    assert.strictEqual(yield* codeOf(confirm(declined, `again-${declined.orderId}`)), "REJECT_CARD_PAYMENT")
    assert.containSubset(yield* find(declined.orderId), { status: "ABORTED", failure: { code: "REJECT_CARD_PAYMENT" } })
  }))

  it.effect("goes down and up again as a whole", () => Effect.gen(function*() {
    const payment = yield* approved()
    const { control } = yield* client
    yield* control.switch({ payload: { down: true } })
    assert.strictEqual(yield* codeOf(confirm(payment)), "SERVICE_UNAVAILABLE")
    assert.strictEqual(yield* codeOf(find(payment.orderId)), "SERVICE_UNAVAILABLE")
    assert.strictEqual(yield* codeOf(approved()), "SERVICE_UNAVAILABLE")
    assert.deepStrictEqual(yield* control.switched(), { down: true, applied: 3 })
    assert.strictEqual((yield* journalOf(payment.paymentKey)).length, 1)
    yield* control.switch({ payload: { down: false } })
    assert.strictEqual((yield* confirm(payment)).status, "DONE")
  }))

  it.effect("is for the merchant alone", () => Effect.gen(function*() {
    const payment = yield* approved()
    const { control, payments } = yield* clientWith("guess_sk")
    const headers = { "idempotency-key": payment.orderId }
    assert.strictEqual(yield* codeOf(payments.confirm({ headers, payload: payment })), "UNAUTHORIZED_KEY")
    assert.strictEqual(yield* codeOf(payments.find({ params: payment })), "UNAUTHORIZED_KEY")
    const cancelling = payments.cancel({ params: payment, headers, payload: { cancelReason: "x" } })
    assert.strictEqual(yield* codeOf(cancelling), "UNAUTHORIZED_KEY")
    assert.strictEqual(yield* codeOf(control.journal({ query: { after: 0, limit: 1 } })), "UNAUTHORIZED_KEY")
    assert.strictEqual(yield* codeOf(control.switch({ payload: { down: true } })), "UNAUTHORIZED_KEY")
    assert.strictEqual(yield* codeOf(control.plan({ params: payment, payload: { faults: [] } })), "UNAUTHORIZED_KEY")
    assert.strictEqual((yield* find(payment.orderId)).status, "IN_PROGRESS")
  }))

  it.effect("refuses what it cannot read in its own form", () => Effect.gen(function*() {
    const http = yield* HttpClient.HttpClient
    const { address } = yield* HttpServer.HttpServer
    const send = (body: unknown, headers: Record<string, string>) =>
      HttpClientRequest.post(`${HttpServer.formatAddress(address)}/v1/payments/confirm`).pipe(
        HttpClientRequest.basicAuth("test_sk", ""),
        HttpClientRequest.setHeaders(headers),
        HttpClientRequest.bodyJsonUnsafe(body),
        http.execute,
        Effect.flatMap((response) => Effect.map(response.json, (json) => [response.status, json] as const))
      )
    const payment = yield* approved()
    for (const [body, headers] of [
      [payment, {}],
      [{ ...payment, amount: 1.5 }, { "idempotency-key": "k" }],
      [{ ...payment, amount: -1 }, { "idempotency-key": "k" }],
      [{ ...payment, orderId: "x" }, { "idempotency-key": "k" }],
      [{}, { "idempotency-key": "k" }]
    ] as const) {
      const [status, answer] = yield* send(body, headers)
      assert.strictEqual(status, 400)
      assert.containSubset(answer, { code: "INVALID_REQUEST" })
    }
  }))

  it.effect("keeps its journal and its scripts over a restart", () => Effect.gen(function*() {
    const payment = yield* approved()
    yield* confirm(payment)
    const { control } = yield* client
    yield* control.plan({ params: payment, payload: { faults: [{ fault: "REFUND_FAIL", times: 1, delayMillis: 0 }] } })
    const before = yield* journalOf(payment.paymentKey)
    assert.strictEqual(before.length, 2)
    yield* Effect.gen(function*() {
      const restarted = yield* client
      const { entries } = yield* restarted.control.journal({ query: { after: 0, limit: 10_000 } })
      assert.deepStrictEqual(entries.filter(({ paymentKey }) => paymentKey === payment.paymentKey), before)
      const again = yield* restarted.payments.confirm({ headers: { "idempotency-key": payment.orderId }, payload: payment })
      assert.strictEqual(again.status, "DONE")
      const refund = { params: payment, headers: { "idempotency-key": `r-${payment.orderId}` }, payload: { cancelReason: "변심" } }
      assert.strictEqual(yield* codeOf(restarted.payments.cancel(refund)), "REFUND_REJECTED")
    }).pipe(Effect.provide(Layer.fresh(simulator)))
    assert.deepStrictEqual(yield* journalOf(payment.paymentKey), before)
  }))

  it.effect("cannot change what it has written", () => Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const payment = yield* approved()
    for (const change of [sql`delete from entry`, sql`update entry set amount = 1`, sql`truncate entry`]) {
      assert.strictEqual(Database.sqlState(yield* Effect.flip(change)), "42501")
    }
    assert.strictEqual((yield* journalOf(payment.paymentKey)).length, 1)
  }))

  it.effect("lets a reader of the journal wait for a commit under way rather than pass over it", () => Effect.gen(function*() {
    const { control } = yield* client
    const sql = yield* SqlClient.SqlClient
    const { ownerUrl } = yield* PostgresServer
    // Holds the commit of one capture back until the gate's lock is free.
    yield* Effect.flatMap(SqlClient.SqlClient, (owner) =>
      Script.run(owner, `
        create function simulator.wait_at_gate() returns trigger language plpgsql as
          $$ begin
            if new.amount = 4711 and new.kind = 'CAPTURE' then perform pg_advisory_xact_lock(4711); end if;
            return null;
          end $$;
        create constraint trigger gate after insert on simulator.entry deferrable initially deferred
          for each row execute function simulator.wait_at_gate()`)
    ).pipe(Effect.provide(Database.layer({ url: ownerUrl, service: "test", maxConnections: 1 })))
    const locked = (how: string) =>
      sql`select from pg_locks where locktype = 'advisory' and ${sql.literal(how)}`.pipe(
        Effect.repeat({
          until: (rows) => rows.length > 0,
          schedule: Schedule.spaced("10 millis").pipe(Schedule.upTo({ times: 500 }))
        })
      )
    const gate = yield* Latch.make()
    const shut = Effect.andThen(sql`select pg_advisory_xact_lock(4711)`, gate.await)
    const keeper = yield* Effect.forkScoped(sql.withTransaction(shut))
    yield* locked("granted and objid = 4711")

    const late = yield* approved(4_711)
    const after = (yield* control.journal({ query: { after: 0, limit: 10_000 } })).entries.at(-1)?.position ?? 0
    const confirming = yield* Effect.forkScoped(confirm(late))
    yield* locked("not granted and objid = 4711")
    const early = yield* approved()
    yield* confirm(early)

    const reading = yield* Effect.forkScoped(control.journal({ query: { after, limit: 10_000 } }))
    yield* Effect.raceFirst(locked("not granted and objid <> 4711"), Fiber.await(reading))
    yield* gate.open
    yield* Effect.all([Fiber.join(keeper), Fiber.join(confirming)])
    const { entries } = yield* Fiber.join(reading)
    assert.deepStrictEqual(entries.map(({ kind, orderId }) => [kind, orderId]), [
      ["CAPTURE", late.orderId],
      ["APPROVAL", early.orderId],
      ["CAPTURE", early.orderId]
    ])
  }))
})
