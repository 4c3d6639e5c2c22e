import { changesProducts } from "./Catalogue/changing.ts"
import type { Store } from "./Catalogue/Store.ts"
import { storesProducts } from "./Catalogue/storing.ts"
import { tellsEvents } from "./Catalogue/telling.ts"

/** What every store of the catalogue promises. */
export const catalogueContract = <R, E, S>(store: Store<R, E, S>) => {
  storesProducts(store)
  changesProducts(store)
  tellsEvents(store)
}
