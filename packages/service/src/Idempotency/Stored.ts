import { Effect, Exit, Request, RequestResolver, Schema } from "effect"
import { type SqlClient, SqlSchema } from "effect/sql"

/** What a record is found by. */
interface Name {
  readonly caller: string
  readonly route: string
  readonly key: string
}

const Row = Schema.Struct({
  /** Which of those that were asked for, from 1. */
  nth: Schema.Int,
  fingerprint: Schema.String,
  resourceId: Schema.String,
  status: Schema.NullOr(Schema.Int),
  body: Schema.NullOr(Schema.String),
  held: Schema.Boolean
})

class Find extends Request.TaggedClass("Find")<Name, typeof Row.Type | undefined> {}

/** Looks records up. Those that are wanted at the same time are one statement: once goods are gone, a crowd is refused at once. */
export const make = (sql: SqlClient.SqlClient) => {
  const find = SqlSchema.findAll({
    Request: Schema.Struct({
      callers: Schema.Array(Schema.String),
      routes: Schema.Array(Schema.String),
      keys: Schema.Array(Schema.String)
    }),
    Result: Row,
    execute: ({ callers, keys, routes }) =>
      sql`select nth::int, fingerprint, resource_id, status, body, lease_until > clock_timestamp() as held
        from unnest(${callers}::text[], ${routes}::text[], ${keys}::text[]) with ordinality as asked (caller, route, key, nth)
        join idempotency using (caller, route, key)`
  })
  const records = RequestResolver.make<Find>(Effect.fnUntraced(function*(entries) {
    const names = entries.map(({ request }) => request)
    const found = yield* Effect.orDie(find({
      callers: names.map(({ caller }) => caller),
      routes: names.map(({ route }) => route),
      keys: names.map(({ key }) => key)
    }))
    const byNth = new Map(found.map((row) => [row.nth, row]))
    entries.forEach(({ completeUnsafe }, n) => completeUnsafe(Exit.succeed(byNth.get(n + 1))))
  }))
  return (name: Name) => Effect.request(new Find(name), records)
}
