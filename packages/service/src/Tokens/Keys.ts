import { Effect, Redacted, Schema } from "effect"
import { calculateJwkThumbprint } from "jose"
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto"

/** The public half of a signing key: Ed25519 as a JSON Web Key (RFC 8037). Private members of what is decoded are dropped. */
export const PublicJwk = Schema.Struct({
  kty: Schema.Literal("OKP"),
  crv: Schema.Literal("Ed25519"),
  x: Schema.String.check(Schema.isPattern(/^[\w-]{43}$/)),
  /** Names the key in the header of a token. */
  kid: Schema.NonEmptyString,
  alg: Schema.Literal("EdDSA"),
  use: Schema.Literal("sig")
})
export type PublicJwk = typeof PublicJwk.Type

/** RFC 7517, as served at `/.well-known/jwks.json`. Two keys are live while one takes over from the other. */
export const JwkSet = Schema.Struct({ keys: Schema.Array(PublicJwk) })
export type JwkSet = typeof JwkSet.Type

/** A configured key cannot be used; says which and never shows it. */
export class InvalidKey extends Schema.TaggedError<InvalidKey>()("InvalidKey", { detail: Schema.String }) {
  override get message() {
    return this.detail
  }
}

export interface SigningKey {
  readonly privateKey: KeyObject
  /** Under the key's RFC 7638 thumbprint, so that nobody has to invent a name for it. */
  readonly publicJwk: PublicJwk
}

/** Finds the key that a token names; undefined for one that is not (or no longer) known. */
export type FindKey<E = never> = (kid: string) => Effect.Effect<KeyObject | undefined, E>

const publicJwkOf = (publicKey: KeyObject): Effect.Effect<PublicJwk> =>
  Effect.promise(async () => {
    const { x = "" } = publicKey.export({ format: "jwk" })
    const jwk = { kty: "OKP", crv: "Ed25519", x } as const
    return { ...jwk, kid: await calculateJwkThumbprint(jwk), alg: "EdDSA", use: "sig" }
  })

/** A new key pair. The private half is PKCS#8 PEM: keep it in a file that only its owner can read. */
export const generateKeys = Effect.gen(function*() {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519")
  const privatePem = Redacted.make(privateKey.export({ type: "pkcs8", format: "pem" }).toString())
  return { privatePem, publicJwk: yield* publicJwkOf(publicKey) }
})

/**
 * Reads a private key from PKCS#8 PEM.
 *
 * @param name of the setting or file, for the error
 */
export const readSigningKey = Effect.fnUntraced(function*(name: string, pem: Redacted.Redacted) {
  // What OpenSSL says about a broken key may quote it: dropped.
  const privateKey = yield* Effect.try({
    try: () => createPrivateKey(Redacted.value(pem)),
    catch: () => new InvalidKey({ detail: `${name} is no private key in PKCS#8 PEM` })
  })
  if (privateKey.asymmetricKeyType !== "ed25519") return yield* new InvalidKey({ detail: `${name} is no Ed25519 key` })
  const publicJwk = yield* publicJwkOf(createPublicKey(privateKey))
  return { privateKey, publicJwk } satisfies SigningKey
})

/** By `kid`. */
export const importKeys = ({ keys }: JwkSet): Effect.Effect<ReadonlyMap<string, KeyObject>, InvalidKey> =>
  Effect.try({
    try: () => new Map(keys.map((jwk) => [jwk.kid, createPublicKey({ key: jwk, format: "jwk" })])),
    catch: () => new InvalidKey({ detail: "a public key of the set is not on the curve" })
  })
