import { Duration, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { SessionId } from "@marketplace/domain/User/Ids"
import { Session, SessionNotFound } from "@marketplace/domain/User/Session"
import { SessionRepository } from "./Repository.ts"

/** The record of sessions. */
export const layer = Layer.effect(SessionRepository, Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal("id, member_id, created_at, expires_at, revoked_at")
  const select = SqlSchema.findOne({
    Request: SessionId,
    Result: Row,
    execute: (id) => sql`select ${columns} from session where id = ${id}`
  })
  const insert = SqlSchema.findOne({
    Request: Schema.Struct({ id: SessionId, memberId: Session.fields.memberId, lifetime: Schema.Finite }),
    Result: Row,
    execute: ({ id, lifetime, memberId }) =>
      sql`insert into session (id, member_id, created_at, expires_at)
        values (${id}, ${memberId}, now(), now() + ${lifetime}::float8 * interval '1 second') returning ${columns}`
  })

  return SessionRepository.of({
    open: Effect.fn("SessionRepository.open")(({ id, lifetime, memberId }) =>
      insert({ id, memberId, lifetime: Duration.toSeconds(lifetime) }).pipe(Effect.map(session), Effect.orDie)
    ),
    find: Effect.fn("SessionRepository.find")((id) =>
      select(id).pipe(
        Effect.map(session),
        Effect.catchTag("NoSuchElementError", () => new SessionNotFound({ sessionId: id })),
        Effect.catchTags({ SqlError: Effect.die, SchemaError: Effect.die })
      )
    ),
    revoke: Effect.fn("SessionRepository.revoke")((id) =>
      sql`update session set revoked_at = now() where id = ${id} and revoked_at is null`.pipe(Effect.asVoid, Effect.orDie)
    ),
    revokedWithin: Effect.fn("SessionRepository.revokedWithin")((window) =>
      sql<{ id: SessionId }>`select id from session
        where revoked_at > now() - ${Duration.toSeconds(window)}::float8 * interval '1 second'`
        .pipe(Effect.map((rows) => rows.map(({ id }) => id)), Effect.orDie)
    )
  })
}))

const Row = Schema.Struct({
  ...Session.fields,
  createdAt: Schema.DateTimeUtcFromDate,
  expiresAt: Schema.DateTimeUtcFromDate,
  revokedAt: Schema.NullOr(Schema.DateTimeUtcFromDate)
})
const session = (row: typeof Row.Type): Session => new Session(row)
