import { assert, describe, layer } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { SqlClient } from "effect/sql"
import { scopeOf } from "../src/Verify/Check.ts"
import { invariants } from "../src/Verify/Invariants.ts"
import * as Report from "../src/Verify/Report.ts"
import { type Carried, catalogueOf, logWith, postgres, type Shown } from "../src/Verify/Sources.ts"
import { approvedFor, confirm, offer } from "./purchase/Shopping.ts"
import { World } from "./purchase/World.ts"
import { events } from "./verify/Events.ts"
import { money } from "./verify/Money.ts"
import { orders } from "./verify/Orders.ts"
import { readModels } from "./verify/ReadModels.ts"
import { requests } from "./verify/Requests.ts"
import { afterwards, ask, broken, layer as layerShop, meanwhile, nothingIsUnderWay, Shop } from "./verify/Shop.ts"
import { stock } from "./verify/Stock.ts"

const plants = [...money, ...stock, ...orders, ...requests, ...events, ...readModels]

const only = (name: string) => invariants.filter((invariant) => invariant.name === name)

const untouched = { script: () => "select" }

/** Rows of PostgreSQL's own relation, as another store would give them. */
const rowsOf = <A>(query: string) =>
  SqlClient.SqlClient.use((sql) =>
    Effect.map(
      sql.unsafe<{ readonly row: A }>(`select to_jsonb(r) as row from (${query}) r`),
      (rows) => rows.map(({ row }) => row)
    )
  )

const log = rowsOf<Carried>(postgres.log.query)
const catalogue = rowsOf<Shown>(postgres.catalogue.query)

const withoutLog = {
  script: () => "delete from events.order_log; delete from events.payment_log; delete from events.product_log"
}

layer(layerShop, { excludeTestServices: true, timeout: "60 seconds" })("verify", (it) => {
  it.effect("finds nothing where a working marketplace has sold", () => Effect.gen(function*() {
    const { after } = yield* Shop
    const outcome = yield* after(untouched, ask(afterwards()))
    assert.deepStrictEqual(broken(outcome), [])
    assert.strictEqual(outcome.findings.length, invariants.length)
    assert.deepStrictEqual(outcome.unchecked, [])
  }))

  describe("finds", () => {
    it.effect.each(plants)("$breaks: $how", ({ also = [], breaks, script }) => Effect.gen(function*() {
      const { after } = yield* Shop
      assert.deepStrictEqual(broken(yield* after({ script }, ask(afterwards()))), [breaks, ...also].sort())
    }))

    it.effect("events.documents-are-published: a document whose events stay where they are", () => Effect.gen(function*() {
      const { after } = yield* Shop
      const waiting = yield* after(untouched, Effect.gen(function*() {
        const [first, ...others] = yield* catalogue
        const old = { ...first!, waiting_since: "2026-01-01T00:00:00Z" }
        return yield* ask(afterwards(), { ...postgres, catalogue: catalogueOf([old, ...others]) })
      }))
      assert.deepStrictEqual(broken(waiting), ["events.documents-are-published"])
    }))

    it.effect("whatever is planted: no invariant is without a plant", () => Effect.sync(() => {
      const names = invariants.map(({ name }) => name)
      assert.deepStrictEqual([...new Set(names)], names)
      const planted = new Set([...plants.map(({ breaks }) => breaks), "events.documents-are-published"])
      assert.deepStrictEqual([...planted].sort(), names.toSorted())
    }))
  })

  describe("leaves a minute to", () => {
    const eventual = new Set(invariants.filter(({ holds }) => holds === "eventual").map(({ name }) => name))
    it.effect.each(plants.filter(({ breaks, timeless }) => eventual.has(breaks) && timeless !== true))(
      "$breaks: $how",
      ({ breaks, script }) => Effect.gen(function*() {
        const { after } = yield* Shop
        assert.deepStrictEqual(broken(yield* after({ script }, ask(meanwhile(), postgres, only(breaks)))), [])
      })
    )
  })

  it.effect("does not ask for what was before", () => Effect.gen(function*() {
    const { after } = yield* Shop
    // counters and what is shown have no date
    const undated = /^(stock|read-models)\.|none-is-put-aside|are-published|know-their-last/
    const dated = plants.filter(({ breaks }) => !undated.test(breaks))
    for (const { breaks, how, script } of dated) {
      const outcome = yield* after({ script }, ask(afterwards("tomorrow"), postgres, only(breaks)))
      assert.deepStrictEqual(broken(outcome), [], `${breaks}: ${how}`)
    }
  }))

  it.effect("begins at the first event of a stream that is asked for", () => Effect.gen(function*() {
    const { after, orders: { placed } } = yield* Shop
    const old = `set occurred_at = now() - interval '2 hours' where stream_key = '${placed.order}' and sequence = 1`
    const script = () => `update order_service.outbox ${old}; update events.order_log ${old}`
    const pruned = () => `${script()};
      delete from order_service.outbox where occurred_at < now() - interval '1 hour';
      delete from events.order_log where occurred_at < now() - interval '1 hour'`
    assert.deepStrictEqual(broken(yield* after({ script }, ask(afterwards("yesterday")))), [])
    assert.deepStrictEqual(broken(yield* after({ script: pruned }, ask(meanwhile("yesterday")))), [])
    assert.deepStrictEqual(broken(yield* after({ script: pruned }, ask(afterwards()))), [
      "events.sequences-are-gapless",
      "events.the-log-is-in-order"
    ])
  }))

  it.effect("finds nothing at any moment while the marketplace sells", () => Effect.gen(function*() {
    const { buyers: { minji }, sql } = yield* World
    const offers = yield* Effect.all([offer(), offer()])
    const buy = Effect.gen(function*() {
      const { payment, paymentKey } = yield* approvedFor(minji, offers)
      yield* confirm(minji, payment, paymentKey)
    })
    const often = Effect.forEach(Array.from({ length: 40 }), () => buy, { concurrency: 4, discard: true })
    const buying = yield* Effect.forkChild(often)
    let asked = 0
    while (buying.pollUnsafe() === undefined) {
      const outcome = yield* sql`set transaction isolation level repeatable read, read only`.pipe(
        Effect.andThen(ask(meanwhile())),
        sql.withTransaction,
        Effect.provideService(SqlClient.SqlClient, sql)
      )
      assert.deepStrictEqual(outcome.findings.filter(({ violations }) => violations > 0), [])
      asked++
    }
    yield* Fiber.join(buying)
    yield* Effect.provideService(nothingIsUnderWay, SqlClient.SqlClient, sql)
    assert.isAbove(asked, 1)
  }))

  it.effect("has a clock that stands still while nothing runs", () => Effect.gen(function*() {
    const { after } = yield* Shop
    const stopped = {
      script: () => ["user", "product", "order", "payment"].map((service) =>
        `update ${service}_service.relay_partition set until = '2026-03-01T12:00:00Z'`).join(";")
    }
    const scopes = Effect.all([scopeOf(false, 3600), scopeOf(false, new Date("2026-02-01T00:00:00Z")), scopeOf(true, undefined)])
    const [ago, from, running] = yield* after(stopped, scopes)
    const times = (scope: typeof ago) => [scope.since, scope.settled].map((time) => new Date(time).toISOString())
    assert.deepStrictEqual(times(ago), ["2026-03-01T11:00:00.000Z", "2026-03-01T11:59:00.000Z"])
    assert.deepStrictEqual(times(from), ["2026-02-01T00:00:00.000Z", "2026-03-01T11:59:00.000Z"])
    assert.strictEqual(running.since, "-infinity")
    assert.isAbove(new Date(running.settled).getTime(), new Date(ago.settled).getTime())
  }))

  describe("where events and catalogue are in other stores", () => {
    it.effect("finds nothing when they are complete, wherever the events are", () => Effect.gen(function*() {
      const { after } = yield* Shop
      const [carried, shown] = yield* after(untouched, Effect.all([log, catalogue]))
      const sources = { log: logWith(carried), catalogue: catalogueOf(shown) }
      assert.deepStrictEqual(broken(yield* after(withoutLog, ask(afterwards(), sources))), [])
      const half = { ...sources, log: logWith(carried.filter(({ context }) => context !== "user")) }
      assert.deepStrictEqual(broken(yield* after(withoutLog, ask(afterwards(), half))), [])
    }))

    it.effect("finds what a topic lost, changed or mixed up, and a wrong document", () => Effect.gen(function*() {
      const { after, orders: { placed, waiting } } = yield* Shop
      const [carried, shown] = yield* after(untouched, Effect.all([log, catalogue]))
      const found = (rows: ReadonlyArray<Carried>, variants = shown) =>
        Effect.map(after(withoutLog, ask(afterwards(), { log: logWith(rows), catalogue: catalogueOf(variants) })), broken)
      assert.deepStrictEqual(yield* found(carried.filter(({ stream_key }) => stream_key !== waiting.order)), [
        "events.published-ones-are-in-the-log"
      ])
      const another = carried.map((one) => one.stream_key === waiting.order ? { ...one, type: "OrderStatusChanged" } : one)
      assert.deepStrictEqual(yield* found(another), ["events.the-log-is-what-was-told"])
      const backwards = carried.map((one) => one.stream_key === placed.order ? { ...one, position: -one.position } : one)
      assert.deepStrictEqual(yield* found(backwards), ["events.the-log-is-in-order"])
      assert.deepStrictEqual(yield* found(carried, shown.map((one) => ({ ...one, sold: one.sold + 1 }))), [
        "read-models.the-catalogue-shows-the-stock"
      ])
    }))

    it.effect("says what it could not check, and checks the rest", () => Effect.gen(function*() {
      const { after } = yield* Shop
      const away = { missing: "Kafka does not answer" }
      const outcome = yield* after(money[0]!, ask(afterwards(), { log: away, catalogue: postgres.catalogue }))
      assert.deepStrictEqual(broken(outcome), ["money.transfers-balance"])
      assert.deepStrictEqual(outcome.unchecked.map(({ invariant: { name }, missing }) => [name, missing]), [
        ["events.published-ones-are-in-the-log", away.missing],
        ["events.the-log-is-what-was-told", away.missing],
        ["events.the-log-is-in-order", away.missing]
      ])
      const lines = Report.text(outcome).split("\n")
      assert.match(lines.at(-2) ?? "", /^\? not checked: events\.published-ones-are-in-the-log, .*\. Kafka does not answer$/)
      assert.strictEqual(lines.at(-1), `${invariants.length - 3} invariants, 1 violations, 3 not checked`)
    }))
  })

  it.effect("shows twenty rows and counts all", () => Effect.gen(function*() {
    const { after } = yield* Shop
    const script = () => `insert into user_service.outbox (partition, event_id, type, stream_key, sequence, fingerprint, body)
      select 0, gen_random_uuid(), 'MemberCreated', n::text, 2, '', '' from generate_series(1, 30) n`
    const outcome = yield* after({ script }, ask(afterwards()))
    const gaps = outcome.findings.find(({ invariant: { name } }) => name === "events.sequences-are-gapless")
    assert.deepStrictEqual([gaps?.violations, gaps?.rows.length], [30, 20])
    const lines = Report.text(outcome).split("\n")
    assert.include(lines, "✗ events.sequences-are-gapless (always): The events of a stream are numbered 1, 2, 3 … in the outbox.")
    assert.include(lines, "    and 10 more")
    assert.strictEqual(lines.at(-1), `${invariants.length} invariants, ${Report.violationsOf(outcome)} violations`)
    const told = JSON.parse(Report.json(outcome))
    assert.deepStrictEqual([told.invariants, told.violations], [invariants.length, Report.violationsOf(outcome)])
    assert.deepStrictEqual(told.findings.find(({ name }: { name: string }) => name === gaps?.invariant.name).rows, gaps?.rows)
  }))
})
