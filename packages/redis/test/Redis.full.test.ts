import { assert, layer } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Schedule } from "effect"
import { SecureRandom } from "effect/crypto"
import { Redis as Client } from "ioredis"
import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { inject } from "vitest"
import { Redis } from "../src/Redis.ts"
import * as SwallowingProxy from "./SwallowingProxy.ts"
import type {} from "../../testing/src/setup/servers.ts"

const at = (url: string) =>
  Layer.fresh(Redis.layerConfig).pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: { REDIS_URL: url } }))))

const World = Layer.suspend(() => at(inject("redisUrl"))).pipe(Layer.provideMerge(SecureRandom.layerWebCrypto))

/** Does something to the server that all tests share; not to one that was given by its URL. */
const hit = (what: "kill9" | "restart" | "sigstop" | "sigcont") => {
  const program = `
    import { known } from ${JSON.stringify(new URL("../../../infra/local/Servers.ts", import.meta.url))}
    for (const server of known(["redis"], ${JSON.stringify(inject("serversDirectory"))})) await server.${what}()`
  return Effect.promise(() => promisify(execFile)(process.execPath, ["--input-type=module-typescript", "-e", program]))
}

const isOurs = existsSync(join(inject("serversDirectory"), "redis"))

/** A bounded wait for what the server does. */
const eventually = <A, E, R>(look: Effect.Effect<A, E, R>) =>
  Effect.timeout(Effect.retry(look, Schedule.spaced("20 millis")), "15 seconds")

const newKey = Effect.map(SecureRandom.SecureRandom.use((random) => random.uuidV4()), (id) => `test:${id}`)

/** Redis behind a way on which replies can be lost. */
const proxied = Effect.gen(function*() {
  const url = new URL(inject("redisUrl"))
  const proxy = yield* SwallowingProxy.make({ host: url.hostname, port: Number(url.port) })
  url.host = `127.0.0.1:${proxy.port}`
  return { ...proxy, url: url.href }
})

layer(World, { excludeTestServices: true })("a connection to Redis", (it) => {
  it.effect("sends a command whose reply was lost only once", () => Effect.gen(function*() {
    const direct = yield* Redis
    const [key, other] = [yield* newKey, yield* newKey]
    const { swallowNext, url } = yield* proxied
    yield* Effect.gen(function*() {
      const redis = yield* Redis
      yield* redis.ping
      yield* swallowNext
      const error = yield* Effect.flip(redis.run((client) => client.incr(key)))
      assert.strictEqual(error._tag, "RedisUnavailable")
      yield* eventually(redis.ping)
    }).pipe(Effect.provide(at(url)))
    assert.strictEqual(yield* direct.run((client) => client.get(key)), "1")

    // the same with what ioredis does by itself: the loss is one that would be noticed
    const client = yield* Effect.acquireRelease(Effect.sync(() => new Client(url)), (one) => Effect.sync(() => one.disconnect()))
    yield* Effect.promise(() => client.ping())
    yield* swallowNext
    assert.strictEqual(yield* Effect.promise(() => client.incr(other)), 2)
  }))

  it.effect("starts while Redis is away, and fails at once", () =>
    Effect.gen(function*() {
      const redis = yield* Redis
      // far below the time-out of a command
      const error = yield* Effect.flip(Effect.timeout(redis.ping, "100 millis"))
      assert.strictEqual(error._tag, "RedisUnavailable")
    }).pipe(Effect.provide(at("redis://127.0.0.1:1"))))

  it.effect("is as good as before after FLUSHALL", () => Effect.gen(function*() {
    const redis = yield* Redis
    const key = yield* newKey
    yield* redis.run((client) => client.set(key, "kept"))
    yield* redis.run((client) => client.flushall())
    assert.isNull(yield* redis.run((client) => client.get(key)))
    yield* redis.run((client) => client.set(key, "again"))
    assert.strictEqual(yield* redis.run((client) => client.get(key)), "again")
  }))

  it.effect.skipIf(!isOurs)("fails at once while the server is killed, and reconnects", () => Effect.gen(function*() {
    const redis = yield* Redis
    yield* redis.ping
    yield* hit("kill9")
    const errors = yield* Effect.forEach([1, 2, 3], () => Effect.flip(Effect.timeout(redis.ping, "100 millis")))
      .pipe(Effect.ensuring(hit("restart")))
    assert.deepStrictEqual(errors.map(({ _tag }) => _tag), ["RedisUnavailable", "RedisUnavailable", "RedisUnavailable"])
    yield* eventually(redis.ping)
  }))

  it.effect.skipIf(!isOurs)("does not wait for a server that does not answer", () => Effect.gen(function*() {
    const redis = yield* Redis
    const key = yield* newKey
    yield* eventually(redis.ping)
    yield* hit("sigstop")
    const error = yield* Effect.flip(Effect.timeout(redis.run((client) => client.incr(key)), "2 seconds")).pipe(
      Effect.ensuring(hit("sigcont"))
    )
    assert.strictEqual(error._tag, "RedisUnavailable")
    yield* eventually(redis.ping)
    // a late reply belongs to the command that was given up, not to the next one
    assert.strictEqual(yield* redis.run((client) => client.get(key)), "1")
  }))
})
