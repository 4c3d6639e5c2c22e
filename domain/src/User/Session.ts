import { Schema } from "effect"
import { MemberId, SessionId } from "./Ids.ts"

/** A log-in of one member. PostgreSQL is its record; Redis may hold a copy. */
export class Session extends Schema.Class<Session>("Session")({
  id: SessionId,
  memberId: MemberId,
  createdAt: Schema.DateTimeUtcFromMillis,
  /** However often its refresh token rotates, the session ends then. */
  expiresAt: Schema.DateTimeUtcFromMillis,
  revokedAt: Schema.NullOr(Schema.DateTimeUtcFromMillis)
}) {}

export class SessionNotFound extends Schema.TaggedError<SessionNotFound>()("SessionNotFound", { sessionId: SessionId }) {}
