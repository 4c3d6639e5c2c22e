import { events } from "./Events.ts"
import type { Invariant } from "./Invariant.ts"
import { money } from "./Money.ts"
import { orders } from "./Orders.ts"
import { readModels } from "./ReadModels.ts"
import { requests } from "./Requests.ts"
import { stock } from "./Stock.ts"

/** All that must be so, whatever has happened. */
export const invariants: ReadonlyArray<Invariant> = [...money, ...stock, ...orders, ...requests, ...events, ...readModels]
