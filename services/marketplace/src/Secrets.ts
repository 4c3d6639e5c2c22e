import { Effect, FileSystem, Path, Redacted, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { generateKeys } from "@marketplace/service/Tokens/Keys"

const Secrets = Schema.Struct({
  /** Ed25519, PKCS#8 PEM: signs access tokens. */
  tokenPrivateKey: Schema.String,
  cursorKey: Schema.String,
  /** Shared by payment and simulator. */
  simulatorSecret: Schema.String
})
export type Secrets = typeof Secrets.Type

const text = Schema.fromJsonString(Secrets)

/**
 * The secrets of an installation on one machine, made at its first start and kept in `directory` for its owner alone
 * (mode 0600). On many machines they come from the environment instead.
 */
export const read = Effect.fn("Secrets.read")(function*(directory: string) {
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const random = yield* SecureRandom.SecureRandom
  const file = path.join(directory, "secrets.json")
  if (yield* files.exists(file)) return yield* Schema.decodeEffect(text)(yield* files.readFileString(file))
  const secret = Effect.map(random.randomBytes(32), (bytes) => Buffer.from(bytes).toString("base64url"))
  const { privatePem } = yield* generateKeys
  const made: Secrets = { tokenPrivateKey: Redacted.value(privatePem), cursorKey: yield* secret, simulatorSecret: yield* secret }
  yield* files.makeDirectory(directory, { recursive: true })
  yield* files.writeFileString(file, yield* Schema.encodeEffect(text)(made), { mode: 0o600 })
  return made
})

/** The same as settings of the services. */
export const toEnvironment = (secrets: Secrets): Record<string, string> => ({
  TOKEN_PRIVATE_KEY: secrets.tokenPrivateKey,
  CURSOR_KEY: secrets.cursorKey,
  PAYMENT_SIMULATOR_SECRET: secrets.simulatorSecret
})
