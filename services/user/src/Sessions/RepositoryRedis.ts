import { Duration, Effect, Layer, Option, Schema } from "effect"
import type { SessionId } from "@marketplace/domain/User/Ids"
import { Session } from "@marketplace/domain/User/Session"
import { Redis } from "@marketplace/redis/Redis"
import { SessionRepository } from "./Repository.ts"
import * as RepositoryPostgres from "./RepositoryPostgres.ts"

/** How long the copy of a live session may outlive a revocation of which Redis could not be told. */
const liveLifetime = Duration.seconds(3)

/** An ended session stays ended: longer than anybody who read it as live before could take to copy it. */
const endedLifetime = Duration.hours(1)

/** Copies of sessions in Redis in front of PostgreSQL. Changes go to the record first; without Redis everything works, slower. */
export const layer = Layer.effect(SessionRepository, Effect.gen(function*() {
  const record = yield* SessionRepository
  const redis = yield* Redis
  const key = (id: SessionId) => `session:${id}`

  /** A live session never takes the place of a copy, which may have ended since it was read. */
  const keep = (session: Session) =>
    encode(session).pipe(
      Effect.flatMap((text) =>
        redis.run((client) =>
          session.revokedAt === null
            ? client.set(key(session.id), text, "PX", Duration.toMillis(liveLifetime), "NX")
            : client.set(key(session.id), text, "PX", Duration.toMillis(endedLifetime))
        )
      ),
      Effect.ignore
    )
  const copy = (id: SessionId) =>
    redis.run((client) => client.get(key(id))).pipe(
      Effect.flatMap((text) => text === null ? Effect.succeedNone : Effect.asSome(decode(text))),
      Effect.orElseSucceed(() => Option.none<Session>())
    )

  return SessionRepository.of({
    open: Effect.fn("SessionRepository.open")((session) => Effect.tap(record.open(session), keep)),
    find: Effect.fn("SessionRepository.find")(function*(id) {
      const copied = yield* copy(id)
      return Option.isSome(copied) ? copied.value : yield* Effect.tap(record.find(id), keep)
    }),
    revoke: Effect.fn("SessionRepository.revoke")((id) =>
      record.revoke(id).pipe(
        Effect.andThen(record.find(id)),
        Effect.flatMap(keep),
        Effect.catchTag("SessionNotFound", () => Effect.void)
      )
    ),
    revokedWithin: record.revokedWithin
  })
})).pipe(Layer.provide(RepositoryPostgres.layer))

const text = Schema.fromJsonString(Session)
const encode = Schema.encodeEffect(text)
const decode = Schema.decodeEffect(text)
