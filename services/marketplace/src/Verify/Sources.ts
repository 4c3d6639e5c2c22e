import { ofEach, type Source } from "./Invariant.ts"

/** A relation that invariants read: SQL over what is in PostgreSQL, and rows of another store that take part in it. */
export interface Relation {
  /** A query; with `rows`, it finds them in `given (rows jsonb)`. */
  readonly query: string
  readonly rows?: ReadonlyArray<unknown>
}

/** Why a relation cannot be read, and what to do about it. */
export interface Missing {
  readonly missing: string
}

export type Sources = { readonly [S in Source]: Relation | Missing }

export const isMissing = (relation: Relation | Missing): relation is Missing => "missing" in relation

const postgresLog = ofEach((context) => `
  select '${context}' as context, position, event_id, type, stream_key, sequence, occurred_at from events.${context}_log`)

/** What PostgreSQL itself holds: all there is on the embedded profile. */
export const postgres: { readonly [S in Source]: Relation } = {
  log: { query: postgresLog },
  catalogue: {
    query: `
      select p.id as product_id, p.enterprise_id, (v ->> 'id')::uuid as variant_id, (v ->> 'available')::int as available,
        (v ->> 'sold')::int as sold, (v ->> 'stockSequence')::int as stock_sequence, null::timestamptz as waiting_since
      from product_service.product p, jsonb_array_elements(p.variants) v`
  }
}

/** An event as a topic carries it; `position` grows along a stream. */
export interface Carried {
  readonly context: string
  readonly position: number
  readonly event_id: string
  readonly type: string
  readonly stream_key: string
  readonly sequence: number
  readonly occurred_at: string
}

/**
 * The topics' events after those of the log in PostgreSQL: an installation that began with the one and went on with the other
 * has its events in both.
 */
export const logWith = (rows: ReadonlyArray<Carried>): Relation => ({
  query: `
    select * from ${postgresLog} l
    union all
    select context, position + (1::bigint << 40), event_id, type, stream_key, sequence, occurred_at
    from given, jsonb_to_recordset(rows) as c (context text, position bigint, event_id uuid, type text, stream_key text,
      sequence int, occurred_at timestamptz)
    where not exists (select from ${postgresLog} l where l.event_id = c.event_id)`,
  rows
})

/** A variant as a document of the catalogue shows it. */
export interface Shown {
  readonly product_id: string
  readonly enterprise_id: string
  readonly variant_id: string
  readonly available: number
  readonly sold: number
  readonly stock_sequence: number
  /** Since when the document has had an event to be published. */
  readonly waiting_since: string | null
}

export const catalogueOf = (rows: ReadonlyArray<Shown>): Relation => ({
  query: `
    select c.* from given, jsonb_to_recordset(rows) as c (product_id uuid, enterprise_id uuid, variant_id uuid, available int,
      sold int, stock_sequence int, waiting_since timestamptz)`,
  rows
})
