import { assert, layer } from "@effect/vitest"
import { DateTime, Effect, type Layer, Result, type Scope } from "effect"
import type { SecureRandom } from "effect/crypto"
import { Money } from "@marketplace/domain/Money"
import { ProductCreated } from "@marketplace/domain/Product/Events"
import { ProductId, VariantId } from "@marketplace/domain/Product/Ids"
import { create, LocalizedText, Product, ProductNotFound, showStock, Variant } from "@marketplace/domain/Product/Product"
import { EnterpriseId } from "@marketplace/domain/User/Ids"
import * as Codecs from "@marketplace/events/Codecs"
import { CurrentCause } from "@marketplace/events/Outbox"
import type { OutboxSource } from "@marketplace/events/OutboxSource"
import { ProductRepository, type Rule } from "../src/Products/Repository.ts"
import { newId } from "./World.ts"

const newVariant = Effect.fnUntraced(function*(sku: string, amount: number) {
  const price = new Money({ amount, currency: "KRW" })
  return new Variant({ id: VariantId.make(yield* newId), sku, price, available: 10, sold: 0, stockSequence: 0 })
})

export const newProduct = Effect.fnUntraced(function*(status: Product["status"] = "ACTIVE") {
  return new Product({
    id: ProductId.make(yield* newId),
    enterpriseId: EnterpriseId.make(yield* newId),
    seller: "한옥살림",
    name: new LocalizedText({ ko: "나무 쟁반", en: "Wooden tray" }),
    description: new LocalizedText({ ko: "손으로 만든 'O''Neill' \"쟁반\" $입니다.", en: "A tray, {made} by hand." }),
    status,
    variants: [yield* newVariant("TRAY-S", 15_900), yield* newVariant("TRAY-L", 5_000_000_000)]
  })
})

export const listed = Effect.fnUntraced(function*(status?: Product["status"]) {
  const products = yield* ProductRepository
  const product = yield* newProduct(status)
  yield* products.insert(create(product))
  return product
})

const eventOf = ({ enterpriseId, id, variants }: Product) =>
  ProductCreated.make({ productId: id, enterpriseId, variantIds: variants.map((variant) => variant.id) })

/** Makes the first variant dearer by one, and tells so many events. */
export const dearer = (events: number): Rule<never> => (product) =>
  Result.succeed({
    state: new Product({
      ...product,
      variants: product.variants.map((variant, i) =>
        i > 0 ? variant : new Variant({ ...variant, price: new Money({ ...variant.price, amount: variant.price.amount + 1 }) })
      )
    }),
    events: Array.from({ length: events }, () => eventOf(product))
  })

/** Adds the variant and tells so many events; where it is already, nothing. */
const adds = (variant: Variant, events: number): Rule<never> => (product) =>
  Result.succeed(
    product.variants.some(({ id }) => id === variant.id)
      ? { state: product, events: [] }
      : {
        state: new Product({ ...product, variants: [...product.variants, variant] }),
        events: Array.from({ length: events }, () => eventOf(product))
      }
  )

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

const priceOf = (product: Product) => product.variants[0]?.price.amount

/** What every store of the catalogue promises. `source` is what a relay would publish from. */
export const catalogueContract = <R, E, S>(
  store: string,
  World: Layer.Layer<R | ProductRepository | SecureRandom.SecureRandom, E>,
  source: Effect.Effect<OutboxSource<S>, never, R | SecureRandom.SecureRandom | Scope.Scope>
) =>
  layer(World, { excludeTestServices: true })(`catalogue on ${store}`, (it) => {
    /** What waits to be published of a product. */
    const waiting = Effect.fnUntraced(function*(id: ProductId) {
      const { next } = yield* source
      return (yield* next(10_000)).filter(({ streamKey }) => streamKey === id)
    }, Effect.scoped)
    const sequences = (id: ProductId) => Effect.map(waiting(id), (events) => events.map(({ sequence }) => sequence))

    it.effect("gives back what was put in, and tells it", () => Effect.gen(function*() {
      const products = yield* ProductRepository
      const product = yield* listed()
      assert.deepStrictEqual(yield* products.get(product.id), product)
      assert.deepStrictEqual(yield* sequences(product.id), [1])
    }))

    it.effect("keeps what was put in first", () => Effect.gen(function*() {
      const products = yield* ProductRepository
      const product = yield* listed()
      const other = new Product({ ...product, seller: "제주바다" })
      yield* Effect.all(Array.from({ length: 5 }, () => products.insert(create(other))), { concurrency: "unbounded" })
      assert.deepStrictEqual(yield* products.get(product.id), product)
      assert.deepStrictEqual(yield* sequences(product.id), [1])
    }))

    it.effect("puts in once what many put in at once", () => Effect.gen(function*() {
      const products = yield* ProductRepository
      const product = yield* newProduct()
      yield* Effect.all(Array.from({ length: 10 }, () => products.insert(create(product))), { concurrency: "unbounded" })
      assert.deepStrictEqual(yield* sequences(product.id), [1])
    }))

    it.effect("knows what it does not have", () => Effect.gen(function*() {
      const products = yield* ProductRepository
      const id = ProductId.make(yield* newId)
      const known = yield* Effect.forEach(["ACTIVE", "INACTIVE"] as const, listed)
      assert.deepStrictEqual(yield* products.missing([...known.map((product) => product.id), id]), [id])
      assert.deepStrictEqual(yield* products.missing([]), [])
      assert.deepStrictEqual(yield* Effect.flip(products.get(id)), new ProductNotFound({ productId: id }))
      assert.deepStrictEqual(yield* Effect.flip(products.update(id, dearer(1))), new ProductNotFound({ productId: id }))
    }))

    it.effect("answers many readers at once, each with what he asked for", () => Effect.gen(function*() {
      const products = yield* ProductRepository
      const stored = yield* Effect.replicateEffect(listed(), 5)
      const unknown = ProductId.make(yield* newId)
      const ids = stored.flatMap(({ id }) => [id, unknown, id])
      const answers = yield* Effect.forEach(ids, (id) => Effect.result(products.get(id)), { concurrency: "unbounded" })
      assert.deepStrictEqual(
        answers,
        stored.flatMap((product) => [
          Result.succeed(product),
          Result.fail(new ProductNotFound({ productId: unknown })),
          Result.succeed(product)
        ])
      )
    }))

    it.effect("stores a refusal as nothing", () => Effect.gen(function*() {
      const products = yield* ProductRepository
      const product = yield* listed()
      assert.strictEqual(yield* Effect.flip(products.update(product.id, () => Result.fail("no"))), "no")
      assert.deepStrictEqual(yield* products.get(product.id), product)
      assert.deepStrictEqual(yield* sequences(product.id), [1])
    }))

    it.effect("stores a change that tells nothing, and one that only tells", () => Effect.gen(function*() {
      const products = yield* ProductRepository
      const product = yield* listed()
      yield* products.update(product.id, dearer(0))
      assert.strictEqual(priceOf(yield* products.get(product.id)), 15_901)
      yield* products.update(product.id, (current) => Result.succeed({ state: current, events: [eventOf(current)] }))
      assert.deepStrictEqual(yield* sequences(product.id), [1, 2])
    }))

    it.effect("loses no concurrent change and no event", () => Effect.gen(function*() {
      const products = yield* ProductRepository
      const product = yield* listed()
      yield* Effect.all(Array.from({ length: 40 }, () => products.update(product.id, dearer(1))), { concurrency: "unbounded" })
      assert.strictEqual(priceOf(yield* products.get(product.id)), 15_940)
      assert.deepStrictEqual(yield* sequences(product.id), numbers(1, 41))
    }))

    it.effect("changes several at once, losing nothing to others who do, and telling nothing twice", () => Effect.gen(function*() {
      const products = yield* ProductRepository
      const listings = yield* Effect.replicateEffect(listed(), 4)
      const variants = yield* Effect.forEach(numbers(1, 20), (n) => newVariant(`TRAY-${n}`, n))
      // each change leaves out one of the four, and tells as many events of the nth as n
      yield* Effect.forEach(variants, (variant, i) =>
        products.updateAll(listings.flatMap(({ id }, n) => n === i % 4 ? [] : [{ id, rule: adds(variant, n) }])), {
        concurrency: "unbounded",
        discard: true
      })
      for (const [n, listing] of listings.entries()) {
        const expected = [...listing.variants, ...variants.filter((_, i) => n !== i % 4)]
        const { variants: stored } = yield* products.get(listing.id)
        assert.sameDeepMembers([...stored], expected)
        assert.deepStrictEqual(yield* sequences(listing.id), numbers(1, 1 + 15 * n))
      }
      yield* products.updateAll([])
    }))

    it.effect("changes none of several when one is missing or refused", () => Effect.gen(function*() {
      const products = yield* ProductRepository
      const [first, last] = yield* Effect.all([listed(), listed()])
      const unknown = ProductId.make(yield* newId)
      const changes = [first.id, unknown, last.id].map((id) => ({ id, rule: dearer(1) }))
      assert.deepStrictEqual(yield* Effect.flip(products.updateAll(changes)), new ProductNotFound({ productId: unknown }))
      const refused = products.updateAll<string>([
        { id: first.id, rule: dearer(1) },
        { id: last.id, rule: () => Result.fail("no") }
      ])
      assert.strictEqual(yield* Effect.flip(refused), "no")
      for (const product of [first, last]) {
        assert.deepStrictEqual(yield* products.get(product.id), product)
        assert.deepStrictEqual(yield* sequences(product.id), [1])
      }
    }))

    it.effect("shows the latest stock of a variant, in whatever order and how often it is told", () => Effect.gen(function*() {
      const products = yield* ProductRepository
      const product = yield* listed()
      const [small, large] = product.variants.map(({ id }) => id)
      const report = (variantId: VariantId, sequence: number) =>
        products.update(product.id, (current) =>
          Result.succeed(showStock([{ variantId, sequence, available: 100 - sequence, sold: sequence }])(current)))
      const shown = Effect.map(products.get(product.id), ({ variants }) =>
        variants.map(({ available, sold, stockSequence }) => ({ available, sold, stockSequence })))

      for (const sequence of [1, 3, 2, 3, 1]) yield* report(small!, sequence)
      assert.deepStrictEqual(yield* shown, [
        { available: 97, sold: 3, stockSequence: 3 },
        { available: 10, sold: 0, stockSequence: 0 }
      ])
      yield* Effect.forEach(
        [7, 4, 20, 11, 5, 20, 9],
        (sequence) => Effect.all([report(small!, sequence), report(large!, sequence + 1)]),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(yield* shown, [
        { available: 80, sold: 20, stockSequence: 20 },
        { available: 79, sold: 21, stockSequence: 21 }
      ])
      assert.deepStrictEqual(yield* sequences(product.id), [1])
    }))

    it.effect("shows the latest stock of several products, of which others tell at the same time", () => Effect.gen(function*() {
      const products = yield* ProductRepository
      const [one, both, other] = yield* Effect.all([listed(), listed(), listed()])
      const report = (some: ReadonlyArray<Product>, sequence: number) =>
        products.updateAll(some.map(({ id, variants }) => {
          const reports = variants.map((variant) => ({ variantId: variant.id, sequence, available: 100 - sequence, sold: sequence }))
          return { id, rule: (current) => Result.succeed(showStock(reports)(current)) }
        }))
      for (const n of numbers(1, 25)) {
        const told = [report([one, both], 2 * n), report([both, other], 2 * n + 1)]
        yield* Effect.all(n % 2 === 0 ? told : told.toReversed(), { concurrency: "unbounded" })
        const shown = yield* Effect.forEach([one, both, other], ({ id }) => products.get(id))
        assert.deepStrictEqual(
          shown.map(({ variants }) => variants.map(({ available, stockSequence }) => [available, stockSequence])),
          [2 * n, 2 * n + 1, 2 * n + 1].map((sequence) => Array.from({ length: 2 }, () => [100 - sequence, sequence]))
        )
      }
      assert.deepStrictEqual(yield* sequences(both.id), [1])
    }))

    it.effect("lists what is on sale, newest first, page by page, whatever is added meanwhile", () => Effect.gen(function*() {
      const products = yield* ProductRepository
      const own = yield* Effect.forEach(numbers(1, 7), () => listed())
      const hidden = yield* Effect.forEach(["DRAFT", "INACTIVE", "BLOCKED", "DELETED"] as const, listed)
      const seen: Array<ProductId> = []
      let before: ProductId | undefined = undefined
      while (true) {
        const page: ReadonlyArray<Product> = yield* products.listActive({ before, limit: 3 })
        assert.isAtMost(page.length, 3)
        before = page.at(-1)?.id
        if (before === undefined) break
        seen.push(...page.map(({ id }) => id))
        yield* listed()
      }
      assert.deepStrictEqual(seen, seen.toSorted().toReversed())
      assert.deepStrictEqual(seen.slice(0, 7), own.map(({ id }) => id).toReversed())
      assert.strictEqual(new Set(seen).size, seen.length)
      assert.deepStrictEqual(hidden.filter(({ id }) => seen.includes(id)), [])
    }))

    it.effect("finds products by their variants, each once", () => Effect.gen(function*() {
      const products = yield* ProductRepository
      const [one, other, third] = [yield* listed(), yield* listed("DRAFT"), yield* listed()]
      const [small, large] = one.variants.map(({ id }) => id)
      const found = yield* products.byVariants([small!, large!, other.variants[1]!.id, VariantId.make(yield* newId)])
      assert.deepStrictEqual(found.toSorted((a, b) => a.id < b.id ? -1 : 1), [one, other])
      assert.deepStrictEqual(yield* products.byVariants([third.variants[0]!.id]), [third])
      assert.deepStrictEqual(yield* products.byVariants([VariantId.make(yield* newId)]), [])
      assert.deepStrictEqual(yield* products.byVariants([]), [])
    }))

    it.effect("tells events with all that consumers are told of them", () => Effect.gen(function*() {
      const products = yield* ProductRepository
      const product = yield* listed()
      const cause = yield* newId
      const before = yield* DateTime.now
      const traceId = yield* Effect.gen(function*() {
        yield* products.update(product.id, dearer(2))
        return (yield* Effect.currentSpan).traceId
      }).pipe(Effect.provideService(CurrentCause, cause), Effect.withSpan("test"))
      const [first, second, third] = yield* waiting(product.id)
      assert.deepStrictEqual([first?.causeId, second?.causeId, third?.causeId], [null, cause, cause])
      assert.strictEqual(second?.traceparent?.split("-")[1], traceId)
      assert.deepStrictEqual([second?.context, second?.type], ["product", "ProductCreated"])
      assert.deepStrictEqual([first?.sequence, second?.sequence, third?.sequence], [1, 2, 3])
      assert.strictEqual(new Set([first?.id, second?.id, third?.id]).size, 3)
      assert.isAtMost(Math.abs(second!.occurredAt - DateTime.toEpochMillis(before)), 5_000)
      assert.deepStrictEqual(yield* Codecs.decode(third!), eventOf(product))
    }))

    it.effect("gives what waits in order, again until it is published, and then exactly the rest", () => Effect.gen(function*() {
      const products = yield* ProductRepository
      const product = yield* listed()
      for (const events of [2, 0, 3]) yield* products.update(product.id, dearer(events))
      const { next, published } = yield* source
      const own = Effect.map(next(10_000), (events) => events.filter(({ streamKey }) => streamKey === product.id))

      const all = yield* own
      assert.deepStrictEqual(all.map(({ sequence }) => sequence), [1, 2, 3, 4, 5, 6])
      assert.deepStrictEqual(yield* own, all)
      yield* published(all.slice(0, 2))
      const rest = yield* own
      assert.deepStrictEqual(rest, all.slice(2))
      // one more is written between reading and marking
      yield* products.update(product.id, dearer(1))
      yield* published(rest)
      yield* published(rest)
      const last = yield* own
      assert.deepStrictEqual(last.map(({ sequence }) => sequence), [7])
      yield* published(last)
      assert.deepStrictEqual(yield* own, [])
      yield* products.update(product.id, dearer(1))
      assert.deepStrictEqual((yield* own).map(({ sequence }) => sequence), [8])
    }).pipe(Effect.scoped))

    it.effect("is drained in small portions while it is written, without a gap", () => Effect.gen(function*() {
      const products = yield* ProductRepository
      const own = yield* Effect.forEach(numbers(1, 5), () => listed())
      const { next, published } = yield* source
      const seen = new Map<string, Array<number>>(own.map(({ id }) => [id, []]))
      const round = Effect.forEach(own, ({ id }) => products.update(id, dearer(2)), { concurrency: "unbounded" })
      const write = Effect.forEach(numbers(1, 10), () => round)
      const writing = yield* Effect.forkChild(write)
      while (true) {
        const written = writing.pollUnsafe() !== undefined
        const events = yield* next(7)
        assert.isAtMost(events.length, 7)
        for (const { sequence, streamKey } of events) seen.get(streamKey)?.push(sequence)
        yield* published(events)
        if (written && events.length === 0) break
      }
      for (const { id } of own) assert.deepStrictEqual(seen.get(id), numbers(1, 21))
    }).pipe(Effect.scoped))
  })
