import { Context, type Effect, type Result } from "effect"
import type { Change } from "@marketplace/domain/Change"
import type { ProductEvent } from "@marketplace/domain/Product/Events"
import type { ProductId, VariantId } from "@marketplace/domain/Product/Ids"
import type { Product, ProductNotFound } from "@marketplace/domain/Product/Product"

/** Decides what a product becomes; pure, since it runs again after a conflict. */
export type Rule<E> = (current: Product) => Result.Result<Change<Product, ProductEvent>, E>

/** Where the catalogue is kept. State and events are one write, in every store. */
export class ProductRepository extends Context.Service<ProductRepository, {
  /** A product that is there already stays as it is: inserting again does nothing and tells nothing. */
  readonly insert: (change: Change<Product, ProductEvent>) => Effect.Effect<void>
  /** Those of the ids that no product has, in no order. */
  readonly missing: (ids: ReadonlyArray<ProductId>) => Effect.Effect<ReadonlyArray<ProductId>>
  readonly get: (id: ProductId) => Effect.Effect<Product, ProductNotFound>
  /** Products that are ACTIVE, newest first, those before `before`. */
  readonly listActive: (
    page: { readonly before: ProductId | undefined; readonly limit: number }
  ) => Effect.Effect<ReadonlyArray<Product>>
  /** The products to which the variants belong, each once, in no order; unknown variants have none. */
  readonly byVariants: (variants: ReadonlyArray<VariantId>) => Effect.Effect<ReadonlyArray<Product>>
  /** Reads, lets the rule decide, stores what it decided. A rule that changes nothing writes nothing. */
  readonly update: <E>(id: ProductId, rule: Rule<E>) => Effect.Effect<Product, E | ProductNotFound>
  /**
   * The same for several products, each named once; as long as nobody else writes, with as little work as for one. After a
   * conflict a rule may be given a product again that it has changed already, or what others made of that since: it must
   * then change nothing and tell nothing. When a product is missing or its rule refuses, nothing is written, unless a
   * conflict came first: then others may be.
   */
  readonly updateAll: <E>(changes: ReadonlyArray<{ readonly id: ProductId; readonly rule: Rule<E> }>) =>
    Effect.Effect<void, E | ProductNotFound>
}>()("@marketplace/product/ProductRepository") {}
