import type { Orders } from "./Shop.ts"

/** A way to break the marketplace, as a fault or an error of ours could. */
export interface Plant {
  /** The invariant that must say so. */
  readonly breaks: string
  readonly how: string
  /** What cannot but break with it. */
  readonly also?: ReadonlyArray<string>
  /** Nothing tells since when it is so: it has no minute to come right. */
  readonly timeless?: true
  readonly script: (orders: Orders) => string
}

/** Takes away what the database itself forbids. */
export const without = (table: string, constraint: string) => `alter table ${table} drop constraint ${constraint}`
