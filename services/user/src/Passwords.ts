import { Context, Effect, Layer, Redacted, Schema, Semaphore } from "effect"
import { SecureRandom } from "effect/crypto"
import { argon2, timingSafeEqual } from "node:crypto"
import { Settings } from "./Settings.ts"

/** All places to hash a password are taken, and enough log-ins wait. */
export class TooBusy extends Schema.TaggedError<TooBusy>()("TooBusy", {}) {}

/** ASVS 5.0, 11.4.2: argon2id with 19 MiB, two passes, one lane. */
const parameters: Parameters = { memory: 19_456, passes: 2, parallelism: 1 }
const tagLength = 32

interface Parameters {
  /** KiB. */
  readonly memory: number
  readonly passes: number
  readonly parallelism: number
}

/** Hashes and checks passwords in a bulkhead of their own, so that a rush of log-ins does not slow everything down. */
export class Passwords extends Context.Service<Passwords, {
  /** A PHC string with a salt of its own. */
  readonly hash: (password: Redacted.Redacted) => Effect.Effect<string, TooBusy>
  /** Takes as long for an unknown member (`undefined`) as for a wrong password. */
  readonly check: (password: Redacted.Redacted, hash: string | undefined) => Effect.Effect<boolean, TooBusy>
}>()("@marketplace/user/Passwords") {
  static readonly layer = Layer.effect(Passwords, Effect.gen(function*() {
    const random = yield* SecureRandom.SecureRandom
    const { concurrentLogins, waitingLogins } = yield* Settings
    const places = yield* Semaphore.make(concurrentLogins)
    const queue = yield* Semaphore.make(concurrentLogins + waitingLogins)
    const bulkhead = <A>(work: Effect.Effect<A>): Effect.Effect<A, TooBusy> =>
      // whoever has begun is not interrupted: the thread would work on, and its place would be given away
      queue.withPermitsIfAvailable(1)(places.withPermits(1)(Effect.uninterruptible(work))).pipe(
        Effect.flatMap((done) => done._tag === "None" ? Effect.fail(new TooBusy()) : Effect.succeed(done.value))
      )

    const hash = Effect.fn("Passwords.hash")(function*(password: Redacted.Redacted) {
      const salt = yield* random.randomBytes(16)
      const tag = yield* bulkhead(derive(password, salt, tagLength, parameters))
      const { memory, parallelism, passes } = parameters
      return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${base64(salt)}$${base64(tag)}`
    })
    const nobody = yield* Effect.orDie(hash(Redacted.make("nobody has this password")))

    const check = Effect.fn("Passwords.check")(function*(password: Redacted.Redacted, kept: string | undefined) {
      const phc = parse(kept ?? nobody)
      if (phc === undefined) return yield* Effect.die(new Error("a stored password hash is not an argon2id PHC string"))
      const tag = yield* bulkhead(derive(password, phc.salt, phc.tag.length, phc))
      return timingSafeEqual(tag, phc.tag) && kept !== undefined
    })

    return Passwords.of({ hash, check })
  }))
}

const derive = (password: Redacted.Redacted, salt: Uint8Array, tagLength: number, { memory, parallelism, passes }: Parameters) =>
  Effect.callback<Uint8Array>((resume) => {
    argon2("argon2id", { message: Redacted.value(password), nonce: salt, memory, passes, parallelism, tagLength }, (error, tag) =>
      resume(error === null ? Effect.succeed(tag) : Effect.die(error)))
  })

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64").replaceAll("=", "")

const parse = (phc: string) => {
  const found = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([^$]+)\$([^$]+)$/.exec(phc)
  if (found === null) return undefined
  const [, memory, passes, parallelism, salt = "", tag = ""] = found
  return {
    memory: Number(memory),
    passes: Number(passes),
    parallelism: Number(parallelism),
    salt: Buffer.from(salt, "base64"),
    tag: Buffer.from(tag, "base64")
  }
}
