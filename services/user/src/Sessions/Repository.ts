import { Context, type Duration, type Effect } from "effect"
import type { MemberId, SessionId } from "@marketplace/domain/User/Ids"
import type { Session, SessionNotFound } from "@marketplace/domain/User/Session"

/**
 * Where log-ins are kept. PostgreSQL is the record on both profiles; Redis only holds copies in front of it, so that a
 * flushed or absent Redis costs time and nothing else.
 */
export class SessionRepository extends Context.Service<SessionRepository, {
  readonly open: (session: { readonly id: SessionId; readonly memberId: MemberId; readonly lifetime: Duration.Duration }) =>
    Effect.Effect<Session>
  /** Also an ended one is found. */
  readonly find: (id: SessionId) => Effect.Effect<Session, SessionNotFound>
  /** Ending twice is ending once. */
  readonly revoke: (id: SessionId) => Effect.Effect<void>
  /** Sessions that were revoked within the last `window`. */
  readonly revokedWithin: (window: Duration.Duration) => Effect.Effect<ReadonlyArray<SessionId>>
}>()("@marketplace/user/SessionRepository") {}
