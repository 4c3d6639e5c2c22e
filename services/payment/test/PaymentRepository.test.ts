import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Logger, Result } from "effect"
import { SecureRandom } from "effect/crypto"
import { SqlClient } from "effect/sql"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { Money } from "@marketplace/domain/Money"
import { OrderId } from "@marketplace/domain/Order/Ids"
import { PaymentId, RefundId } from "@marketplace/domain/Payment/Ids"
import { confirm, create, type Finding, seal, settle } from "@marketplace/domain/Payment/Payment"
import { MemberId } from "@marketplace/domain/User/Ids"
import * as Outbox from "@marketplace/events/Outbox"
import * as Database from "@marketplace/postgres/Database"
import { PostgresServer } from "@marketplace/postgres/PostgresServer"
import * as Write from "@marketplace/postgres/Write"
import * as TestDatabase from "@marketplace/testing/TestDatabase"
import { paymentSchema } from "../src/Database.ts"
import { type Attempts, PaymentRepository } from "../src/Payments/Repository.ts"

const database = Layer.unwrap(Effect.map(PostgresServer, ({ urlOf }) =>
  Database.layer({ url: urlOf(paymentSchema.name), service: "payment" })))

const World = PaymentRepository.layer.pipe(
  Layer.provide(Outbox.Outbox.layer("payment")),
  Layer.provideMerge(database),
  Layer.provide(TestDatabase.layer([paymentSchema])),
  Layer.provideMerge([NodeCrypto.layerSecureRandom, Logger.layer([])])
)

const uuid = SecureRandom.SecureRandom.use((random) => random.uuidV7())
const amount = new Money({ amount: 12_000, currency: "KRW" })
const memberId = MemberId.make("01890a5d-ac96-774b-bcce-b302099a8057")

const active = ({ order, payments }: Attempts) => payments.find(({ id }) => id === order.activeId)

/** An order with an attempt that waits for its buyer. */
const ready = Effect.gen(function*() {
  const repository = yield* PaymentRepository
  const [orderId, id] = [OrderId.make(yield* uuid), PaymentId.make(yield* uuid)]
  const opened = { id, orderId, memberId, amount, method: "CARD" as const, provider: "simulator" }
  yield* repository.update(orderId, (attempts) =>
    Result.map(create(attempts.order, active(attempts), opened), (change) => ({ change, answer: undefined })))
  return { orderId, payment: yield* repository.find(id) }
})

const claiming = (attempts: Attempts) =>
  Result.map(confirm(attempts.order, active(attempts)!, "key", amount), (change) => ({ change, answer: change.payments[0]!.status }))

const confirming = Effect.fnUntraced(function*(orderId: OrderId) {
  const repository = yield* PaymentRepository
  return yield* repository.update(orderId, claiming)
})

const settling = (orderId: OrderId, finding: Finding) =>
  PaymentRepository.use((repository) => repository.update(orderId, ({ order, payments: [payment] }) =>
    Result.succeed({ change: settle(order, payment!, finding, RefundId.make(payment!.id)), answer: undefined })))

/** READY again. */
const neverSent = (orderId: OrderId) => settling(orderId, { _tag: "NotSent" })

/** A key that goes with a change; "known" if there is one already. */
const withKey = (sql: SqlClient.SqlClient, id: PaymentId, key: string): Write.Write<"known"> => ({
  statements: [(when) =>
    sql`insert into idempotency (caller, route, key, fingerprint, resource_id, holder, lease_until)
      select 'test', 'test', ${key}, '', ${id}::uuid, ${id}::uuid, now() where ${when}`],
  meaning: (error) => error.reason._tag === "UniqueViolation" ? "known" : error,
  made: Effect.void
})

/** Runs `second` while `first` has done its work and not yet committed it: it has read what was before, and has to wait. */
const behind = Effect.fnUntraced(function*<A, E, R, B, F, S>(first: Effect.Effect<A, E, R>, second: Effect.Effect<B, F, S>) {
  const sql = yield* SqlClient.SqlClient
  const [done, commit] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
  const holder = yield* first.pipe(
    Effect.tap(() => Effect.andThen(Deferred.succeed(done, undefined), Deferred.await(commit))),
    sql.withTransaction,
    Effect.forkChild
  )
  yield* Effect.raceFirst(Deferred.await(done), Fiber.join(holder))
  const waiter = yield* Effect.forkChild(sql.withTransaction(second))
  const waiting = sql`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
  yield* Effect.repeat(Effect.delay(waiting, "10 millis"), {
    until: (found) => found.length > 0 || waiter.pollUnsafe() !== undefined,
    times: 500
  })
  assert.isUndefined(waiter.pollUnsafe(), "it did not wait for the other change")
  yield* Deferred.succeed(commit, undefined)
  return [yield* Fiber.join(holder), yield* Fiber.await(waiter)] as const
})

layer(World, { excludeTestServices: true })("the repository of payments", (it) => {
  it.effect("decides at last by what was written before its own change: two confirmations", () => Effect.gen(function*() {
    const { orderId } = yield* ready
    const [first, second] = yield* behind(confirming(orderId), Effect.flip(confirming(orderId)))
    assert.strictEqual(first.answer, "CONFIRMING")
    assert.isTrue(second._tag === "Success" && second.value._tag === "IllegalTransition")
  }))

  it.effect("the same: the order's end during a confirmation", () => Effect.gen(function*() {
    const repository = yield* PaymentRepository
    const { orderId } = yield* ready
    const sealing = repository.update(orderId, (attempts) => {
      const { change, result } = seal(attempts.order, active(attempts))
      return Result.succeed({ change, answer: result })
    })
    const [, sealed] = yield* behind(confirming(orderId), sealing)
    assert.isTrue(sealed._tag === "Success" && sealed.value.answer === "IN_PROGRESS")
  }))

  it.effect("goes from what is known, and tells what is known then", () => Effect.gen(function*() {
    const repository = yield* PaymentRepository
    const { payment } = yield* ready
    const known = yield* repository.attemptsOf(payment.id)
    const { attempts } = yield* repository.update(known, claiming)
    assert.deepStrictEqual(attempts, yield* repository.attemptsOf(payment.id))
    assert.strictEqual(active(attempts)?.status, "CONFIRMING")
  }))

  it.effect("looks again where what is known is outdated: the rule does not take it, or it cannot be stored", () => Effect.gen(function*() {
    const repository = yield* PaymentRepository
    const { orderId, payment } = yield* ready
    const first = yield* repository.attemptsOf(payment.id)
    const asked: Array<string | undefined> = []
    const noting = (attempts: Attempts) => {
      asked.push(active(attempts)?.status)
      return claiming(attempts)
    }
    yield* confirming(orderId)
    const refused = yield* Effect.flip(repository.update(first, noting))
    assert.strictEqual(refused._tag, "IllegalTransition")
    assert.deepStrictEqual(asked.splice(0), ["READY", "CONFIRMING"])

    const claimed = yield* repository.attemptsOf(payment.id)
    yield* neverSent(orderId)
    const again = yield* repository.update(claimed, noting)
    assert.strictEqual(again.answer, "CONFIRMING")
    assert.deepStrictEqual(asked, ["CONFIRMING", "READY"])
  }))

  it.effect("writes what goes with a change once, although it is stored only when it is decided again", () => Effect.gen(function*() {
    const repository = yield* PaymentRepository
    const sql = yield* SqlClient.SqlClient
    const { orderId, payment } = yield* ready
    const outdated = yield* repository.attemptsOf(payment.id)
    yield* confirming(orderId)
    yield* neverSent(orderId)
    const asked: Array<string> = []
    const key = withKey(sql, payment.id, payment.id)
    const { attempts } = yield* repository.update(outdated, claiming, (answer) => Effect.sync(() => (asked.push(answer), key)))
    assert.deepStrictEqual([asked, active(attempts)?.status], [["CONFIRMING", "CONFIRMING"], "CONFIRMING"])
    assert.strictEqual((yield* sql`select from idempotency where key = ${payment.id}`).length, 1)
  }))

  it.effect("changes nothing when what goes with it fails", () => Effect.gen(function*() {
    const repository = yield* PaymentRepository
    const sql = yield* SqlClient.SqlClient
    const { payment } = yield* ready
    const before = yield* repository.attemptsOf(payment.id)
    const key = withKey(sql, payment.id, payment.id)
    yield* Write.run(sql, key)
    const failure = yield* Effect.flip(repository.update(before, claiming, () => Effect.succeed(key)))
    assert.strictEqual(failure, "known")
    assert.deepStrictEqual(yield* repository.attemptsOf(payment.id), before)
  }))

  it.effect("hastens what was given up, however often, and nothing that is under way", () => Effect.gen(function*() {
    const repository = yield* PaymentRepository
    const sql = yield* SqlClient.SqlClient
    const { orderId, payment } = yield* ready
    const due = Effect.map(
      sql<{ readonly seconds: number | null }>`
        select extract(epoch from due_at - now())::float8 as seconds from payment where id = ${payment.id}`,
      ([row]) => row?.seconds
    )
    yield* repository.hasten(payment.id)
    assert.isNull(yield* due)
    yield* confirming(orderId)
    yield* repository.hasten(payment.id)
    assert.isAbove((yield* due) ?? 0, 10)
    yield* settling(orderId, { _tag: "Declined", reason: "no" })
    assert.isAbove((yield* due) ?? 0, 50)
    yield* repository.hasten(payment.id)
    assert.isAtMost((yield* due) ?? 1, 0)
  }))
})
