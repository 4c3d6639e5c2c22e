import { assert, describe, it, layer } from "@effect/vitest"
import { ConfigProvider, Effect, Fiber, Layer, Redacted } from "effect"
import { SecureRandom } from "effect/crypto"
import { argon2Sync } from "node:crypto"
import { Passwords } from "../src/Passwords.ts"
import { Settings } from "../src/Settings.ts"

const withPlaces = (concurrent: number, waiting: number) =>
  Layer.fresh(Passwords.layer).pipe(
    Layer.provide(Layer.fresh(Settings.layer)),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({
      env: { USER_CONCURRENT_LOGINS: String(concurrent), USER_WAITING_LOGINS: String(waiting) }
    }))),
    Layer.provide(SecureRandom.layerWebCrypto)
  )

const right = Redacted.make("정확한 말 배터리 스테이플")
const wrong = Redacted.make("정확한 말 배터리 스테이플러")

layer(withPlaces(2, 200))("passwords", (it) => {
  it.effect("are right or wrong", () => Effect.gen(function*() {
    const passwords = yield* Passwords
    const hash = yield* passwords.hash(right)
    assert.isTrue(yield* passwords.check(right, hash))
    assert.isFalse(yield* passwords.check(wrong, hash))
    assert.isFalse(yield* passwords.check(Redacted.make(""), hash))
    assert.isFalse(yield* passwords.check(right, undefined))
    // what the hash of nobody is made of
    assert.isFalse(yield* passwords.check(Redacted.make("nobody has this password"), undefined))
  }))

  it.effect("are kept as argon2id with at least 19 MiB and two passes, each with a salt of its own (ASVS 5.0, 11.4.2)", () =>
    Effect.gen(function*() {
      const passwords = yield* Passwords
      const [one, other] = [yield* passwords.hash(right), yield* passwords.hash(right)]
      const [, algorithm, version, parameters = "", salt = "", tag = ""] = one.split("$")
      assert.deepStrictEqual([algorithm, version, parameters], ["argon2id", "v=19", "m=19456,t=2,p=1"])
      assert.strictEqual(Buffer.from(salt, "base64").length, 16)
      assert.strictEqual(Buffer.from(tag, "base64").length, 32)
      assert.notInclude(one, "=$")
      assert.notStrictEqual(salt, other.split("$")[4])
    }))

  it.effect("that were kept with other parameters are still checked", () => Effect.gen(function*() {
    const passwords = yield* Passwords
    const nonce = Buffer.from("0123456789abcdef")
    const parameters = { memory: 1024, passes: 3, parallelism: 2, tagLength: 24 }
    const tag = argon2Sync("argon2id", { message: Redacted.value(right), nonce, ...parameters })
    const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64").replace(/=+$/, "")
    const kept = `$argon2id$v=19$m=1024,t=3,p=2$${base64(nonce)}$${base64(tag)}`
    assert.isTrue(yield* passwords.check(right, kept))
    assert.isFalse(yield* passwords.check(wrong, kept))
  }))

  it.effect("are not guessed from what is no hash", () => Effect.gen(function*() {
    const passwords = yield* Passwords
    for (const kept of ["", "$argon2i$v=19$m=19456,t=2,p=1$c2FsdA$dGFn", "correct horse battery staple"]) {
      const exit = yield* Effect.exit(passwords.check(right, kept))
      assert.strictEqual(exit._tag, "Failure")
    }
  }))

  it.effect("take as much work for an unknown member as for a wrong one", () => Effect.gen(function*() {
    const passwords = yield* Passwords
    const hash = yield* passwords.hash(right)
    // processor time of this process, all threads; the least of three, since others may be at work in it
    const work = (kept: string | undefined) =>
      Effect.gen(function*() {
        const before = process.cpuUsage()
        yield* passwords.check(wrong, kept)
        return process.cpuUsage(before).user
      })
    const least = (kept: string | undefined) =>
      Effect.map(Effect.all([work(kept), work(kept), work(kept)]), (all) => Math.min(...all))
    const [known, unknown] = [yield* least(hash), yield* least(undefined)]
    assert.isAbove(unknown, known / 2)
    assert.isBelow(unknown, known * 2)
  }))
})

describe("the bulkhead", () => {
  it.effect("turns away who would wait too long, and only them", () =>
    Effect.gen(function*() {
      const passwords = yield* Passwords
      const rush = yield* Effect.all(Array.from({ length: 6 }, () => Effect.result(passwords.check(wrong, undefined))), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(rush.map((one) => one._tag === "Failure" ? one.failure._tag : one.success), [
        false, false, false, "TooBusy", "TooBusy", "TooBusy"
      ])
      assert.isFalse(yield* passwords.check(wrong, undefined))
    }).pipe(Effect.provide(withPlaces(1, 2))))

  it.effect("keeps the place of a log-in whose caller has gone until its thread is free", () =>
    Effect.gen(function*() {
      const passwords = yield* Passwords
      const gone = yield* Effect.forkChild(passwords.check(wrong, undefined), { startImmediately: true })
      const leaving = yield* Effect.forkChild(Fiber.interrupt(gone), { startImmediately: true })
      assert.strictEqual((yield* Effect.flip(passwords.check(wrong, undefined)))._tag, "TooBusy")
      yield* Fiber.join(leaving)
      assert.isFalse(yield* passwords.check(wrong, undefined))
    }).pipe(Effect.provide(withPlaces(1, 0))))
})
