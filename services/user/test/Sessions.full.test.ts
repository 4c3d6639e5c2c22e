import { assert, layer } from "@effect/vitest"
import { ConfigProvider, Effect, Fiber, Latch, Layer, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { Redis } from "@marketplace/redis/Redis"
import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { inject } from "vitest"
import { SessionRepository } from "../src/Sessions/Repository.ts"
import * as RepositoryRedis from "../src/Sessions/RepositoryRedis.ts"
import { database, opened, sessionContract } from "./sessionContract.ts"
import type {} from "@marketplace/testing/setup/servers"

const redisAt = (url: string) =>
  Layer.fresh(Redis.layerConfig).pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: { REDIS_URL: url } }))))

const on = (url: string) => RepositoryRedis.layer.pipe(Layer.provideMerge(Layer.merge(database, redisAt(url))))

/** Does something to the server that all tests share; not to one that was given by its URL. */
const hit = (what: "kill9" | "restart") => {
  const program = `
    import { known } from ${JSON.stringify(new URL("../../../infra/local/Servers.ts", import.meta.url))}
    for (const server of known(["redis"], ${JSON.stringify(inject("serversDirectory"))})) await server.${what}()`
  return Effect.promise(() => promisify(execFile)(process.execPath, ["--input-type=module-typescript", "-e", program]))
}

const isOurs = existsSync(join(inject("serversDirectory"), "redis"))

sessionContract("Redis in front of PostgreSQL", on(inject("redisUrl")))
sessionContract("an absent Redis in front of PostgreSQL", on("redis://127.0.0.1:1"))

layer(on(inject("redisUrl")), { excludeTestServices: true })("copies of sessions in Redis", (it) => {
  it.effect("spare the record, and are gone after FLUSHALL", () => Effect.gen(function*() {
    const sessions = yield* SessionRepository
    const redis = yield* Redis
    const sql = yield* SqlClient.SqlClient
    const session = yield* opened
    yield* sql`delete from session where id = ${session.id}`
    assert.deepStrictEqual(yield* sessions.find(session.id), session)
    yield* redis.run((client) => client.flushall())
    assert.strictEqual((yield* Effect.flip(sessions.find(session.id)))._tag, "SessionNotFound")
  }))

  it.effect("may be lost by FLUSHALL at any time", () => Effect.gen(function*() {
    const sessions = yield* SessionRepository
    const redis = yield* Redis
    const flush = redis.run((client) => client.flushall())
    const session = yield* opened
    yield* flush
    assert.deepStrictEqual(yield* sessions.find(session.id), session)
    yield* sessions.revoke(session.id)
    yield* flush
    assert.isNotNull((yield* sessions.find(session.id)).revokedAt)
  }))

  it.effect("bring no session back whose record was read before its revocation", () => Effect.gen(function*() {
    const sessions = yield* SessionRepository
    const redis = yield* Redis
    const { id } = yield* opened
    yield* redis.run((client) => client.del(`session:${id}`))
    const [hasRead, mayCopy] = [yield* Latch.make(), yield* Latch.make()]
    let commands = 0
    const slow = Redis.of({
      ...redis,
      run: (command) => ++commands === 1 ? redis.run(command) : Effect.andThen(hasRead.open, mayCopy.whenOpen(redis.run(command)))
    })
    const reading = yield* Effect.forkChild(Effect.flatMap(SessionRepository, (other) => other.find(id)).pipe(
      Effect.provide(Layer.fresh(RepositoryRedis.layer).pipe(Layer.provide(Layer.succeed(Redis, slow))))
    ))
    yield* hasRead.await
    yield* sessions.revoke(id)
    yield* mayCopy.open
    assert.isNull((yield* Fiber.join(reading)).revokedAt)
    assert.isNotNull((yield* sessions.find(id)).revokedAt)
  }))

  it.effect("that cannot be read are no copies", () => Effect.gen(function*() {
    const sessions = yield* SessionRepository
    const redis = yield* Redis
    const session = yield* opened
    yield* redis.run((client) => client.set(`session:${session.id}`, `{"id":1}`))
    assert.deepStrictEqual(yield* sessions.find(session.id), session)
  }))

  it.effect.skipIf(!isOurs)("are done without while Redis is killed, and do not hide for long what happened meanwhile", () =>
    Effect.gen(function*() {
      const sessions = yield* SessionRepository
      const redis = yield* Redis
      const [ended, live] = [yield* opened, yield* opened]
      yield* hit("kill9")
      const during = yield* Effect.gen(function*() {
        yield* sessions.revoke(ended.id)
        assert.isNotNull((yield* sessions.find(ended.id)).revokedAt)
        assert.deepStrictEqual(yield* sessions.find(live.id), live)
        return yield* opened
      }).pipe(Effect.ensuring(hit("restart")))
      yield* Effect.timeout(Effect.retry(redis.ping, Schedule.spaced("20 millis")), "15 seconds")
      // the copy that was made before the outage lives three seconds at most
      yield* sessions.find(ended.id).pipe(
        Effect.filterOrFail(({ revokedAt }) => revokedAt !== null, () => "still live"),
        Effect.retry(Schedule.spaced("50 millis")),
        Effect.timeout("4 seconds")
      )
      assert.deepStrictEqual(yield* sessions.find(live.id), live)
      assert.deepStrictEqual(yield* sessions.find(during.id), during)
    }))
})
