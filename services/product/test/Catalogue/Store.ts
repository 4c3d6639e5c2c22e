import { Effect, type Layer, type Scope } from "effect"
import type { SecureRandom } from "effect/crypto"
import type { ProductId } from "@marketplace/domain/Product/Ids"
import type { OutboxSource } from "@marketplace/events/OutboxSource"
import type { ProductRepository } from "../../src/Products/Repository.ts"

/** A store of the catalogue under test. */
export interface Store<R, E, S> {
  readonly store: string
  readonly World: Layer.Layer<R | ProductRepository | SecureRandom.SecureRandom, E>
  /** What a relay would publish from. */
  readonly source: Effect.Effect<OutboxSource<S>, never, R | SecureRandom.SecureRandom | Scope.Scope>
}

/** What waits to be published of a product. */
export const waitingFrom = <R, S>(source: Effect.Effect<OutboxSource<S>, never, R>) =>
  Effect.fnUntraced(function*(id: ProductId) {
    const { next } = yield* source
    return (yield* next(10_000)).filter(({ streamKey }) => streamKey === id)
  }, Effect.scoped)

/** Their places in the product's stream. */
export const sequencesFrom = <R, S>(source: Effect.Effect<OutboxSource<S>, never, R>) => (id: ProductId) =>
  Effect.map(waitingFrom(source)(id), (events) => events.map(({ sequence }) => sequence))
