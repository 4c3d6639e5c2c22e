import { Effect, Layer, Redacted } from "effect"
import { SecureRandom } from "effect/crypto"
import { TestClock } from "effect/testing"
import { MemberId, SessionId } from "@marketplace/domain/User/Ids"
import { TokenSigner, TokenVerifier } from "@marketplace/service/Tokens"
import { generateKeys, type JwkSet, readSigningKey } from "@marketplace/service/Tokens/Keys"
import { createHmac, type KeyObject, sign } from "node:crypto"

export const memberId = MemberId.make("01900000-0000-7000-8000-000000000001")
export const sessionId = SessionId.make("01900000-0000-7000-8000-000000000002")
export const other = "01900000-0000-7000-8000-000000000003"

/** Seconds. */
export const now = 1_800_000_000

export const base64url = (value: unknown) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url")

/** What a forger can do, and what we do: by hand, so that nothing is checked on the way. */
export const forge = (header: object, claims: unknown, key: KeyObject | string | undefined) => {
  const input = `${base64url(header)}.${base64url(claims)}`
  const signature = key === undefined
    ? ""
    : typeof key === "string"
    ? createHmac("sha256", key).update(input).digest("base64url")
    : sign(null, Buffer.from(input), key).toString("base64url")
  return `${input}.${signature}`
}

export const world = Effect.gen(function*() {
  yield* TestClock.setTime(now * 1000)
  const { privatePem, publicJwk } = yield* generateKeys
  const { privateKey } = yield* readSigningKey("test", privatePem)
  const stranger = yield* Effect.flatMap(generateKeys, ({ privatePem }) => readSigningKey("test", privatePem))
  const header = { alg: "EdDSA", typ: "at+jwt", kid: publicJwk.kid }
  const claims = {
    iss: "https://marketplace.local",
    aud: "marketplace",
    sub: memberId,
    sid: sessionId,
    jti: other,
    iat: now,
    nbf: now,
    exp: now + 600
  }
  return { privatePem, publicJwk, privateKey, stranger, header, claims, keySet: { keys: [publicJwk] } }
})
export type World = Effect.Success<typeof world>

export const verify = (token: string) => TokenVerifier.use((verifier) => verifier.verify(Redacted.make(token)))

export const signer = (privatePem: Redacted.Redacted, others?: JwkSet) =>
  TokenSigner.layer(privatePem, others).pipe(Layer.provide(SecureRandom.layerWebCrypto))

export const signed = TokenSigner.use(({ sign }) => sign({ memberId, sessionId }))
