import { assert, layer } from "@effect/vitest"
import { DateTime, Duration, Effect, Layer, Schedule } from "effect"
import { SecureRandom } from "effect/crypto"
import { SqlClient } from "effect/sql"
import { MemberId, SessionId } from "@marketplace/domain/User/Ids"
import { createVerified, Email } from "@marketplace/domain/User/Member"
import { Outbox } from "@marketplace/events/Outbox"
import * as Database from "@marketplace/postgres/Database"
import { PostgresServer } from "@marketplace/postgres/PostgresServer"
import * as TestDatabase from "@marketplace/testing/TestDatabase"
import { userSchema } from "../src/Database.ts"
import { MemberRepository } from "../src/Members/Repository.ts"
import { SessionRepository } from "../src/Sessions/Repository.ts"

/** The user service's own role on a fresh database, and members to log in. */
export const database = MemberRepository.layer.pipe(
  Layer.provide(Outbox.layer("user")),
  Layer.provideMerge(Layer.unwrap(Effect.map(PostgresServer, (server) =>
    Database.layer({ url: server.urlOf(userSchema.name), service: "user", maxConnections: 10 })))),
  Layer.provide(TestDatabase.layer([userSchema])),
  Layer.provideMerge(SecureRandom.layerWebCrypto)
)

const newId = SecureRandom.SecureRandom.use((random) => random.uuidV7())
const newSessionId = Effect.map(newId, (id) => SessionId.make(id))

/** A member who has just logged in. */
export const opened = Effect.gen(function*() {
  const members = yield* MemberRepository
  const sessions = yield* SessionRepository
  const memberId = MemberId.make(yield* newId)
  const email = Email.make(`${memberId}@example.com`)
  yield* members.insert(createVerified({ id: memberId, email, name: "민지" }), "$argon2id$")
  return yield* sessions.open({ id: yield* newSessionId, memberId, lifetime: Duration.days(30) })
})

/** What the repository of log-ins promises, whatever holds copies in front of the record. */
export const sessionContract = <E>(
  store: string,
  World: Layer.Layer<SessionRepository | MemberRepository | SqlClient.SqlClient | SecureRandom.SecureRandom, E>
) =>
  layer(World, { excludeTestServices: true })(`sessions on ${store}`, (it) => {
    it.effect("finds what was opened, again and again, until its lifetime ends", () => Effect.gen(function*() {
      const sessions = yield* SessionRepository
      const session = yield* opened
      assert.isNull(session.revokedAt)
      assert.strictEqual(DateTime.distance(session.createdAt, session.expiresAt).pipe(Duration.toDays), 30)
      assert.deepStrictEqual(yield* sessions.find(session.id), session)
      assert.deepStrictEqual(yield* sessions.find(session.id), session)
    }))

    it.effect("knows what it does not have", () => Effect.gen(function*() {
      const sessions = yield* SessionRepository
      const id = yield* newSessionId
      yield* sessions.revoke(id)
      assert.strictEqual((yield* Effect.flip(sessions.find(id)))._tag, "SessionNotFound")
    }))

    it.effect("shows a revocation at once, once and for all", () => Effect.gen(function*() {
      const sessions = yield* SessionRepository
      const session = yield* opened
      yield* sessions.find(session.id)
      yield* sessions.revoke(session.id)
      const ended = yield* sessions.find(session.id)
      assert.isNotNull(ended.revokedAt)
      yield* sessions.revoke(session.id)
      assert.deepStrictEqual(yield* sessions.find(session.id), ended)
    }))

    it.effect("shows a revocation at once, whoever reads meanwhile", () =>
      Effect.forEach(Array.from({ length: 20 }), () => Effect.scoped(Effect.gen(function*() {
        const sessions = yield* SessionRepository
        const { id } = yield* opened
        const reading = Effect.repeat(sessions.find(id), Schedule.forever)
        yield* Effect.forEach([1, 2, 3, 4], () => Effect.forkScoped(reading), { discard: true })
        yield* sessions.find(id)
        yield* sessions.revoke(id)
        const seen = yield* Effect.forEach(Array.from({ length: 20 }), () => sessions.find(id))
        assert.deepStrictEqual(seen.filter(({ revokedAt }) => revokedAt === null), [])
      })), { discard: true }))

    it.effect("tells which were revoked within a time", () => Effect.gen(function*() {
      const sessions = yield* SessionRepository
      const sql = yield* SqlClient.SqlClient
      const [open, ended, before] = [yield* opened, yield* opened, yield* opened]
      yield* sessions.revoke(ended.id)
      yield* sessions.revoke(before.id)
      yield* sql`update session set revoked_at = now() - interval '11 minutes' where id = ${before.id}`
      const recent = yield* sessions.revokedWithin(Duration.minutes(10))
      assert.deepStrictEqual([open, ended, before].map(({ id }) => recent.includes(id)), [false, true, false])
      const longer = yield* sessions.revokedWithin(Duration.minutes(12))
      assert.deepStrictEqual([open, ended, before].map(({ id }) => longer.includes(id)), [false, true, true])
    }))
  })
