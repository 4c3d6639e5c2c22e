import type { Fixture } from "./Fixture.ts"

/** A way to break the marketplace, as a fault or an error of ours could. */
export interface Plant {
  /** The invariant that must say so. */
  readonly breaks: string
  readonly how: string
  /** What cannot but break with it. */
  readonly also?: ReadonlyArray<string>
  readonly script: (fixture: Fixture) => string
}

/** Takes away what the database itself forbids. */
export const without = (table: string, constraint: string) => `alter table ${table} drop constraint ${constraint}`
