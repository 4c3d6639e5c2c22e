import { Clock, Duration, Effect, Redacted, Schema } from "effect"
import { decodeProtectedHeader, errors, type JWTPayload, jwtVerify, type JWTVerifyOptions, SignJWT } from "jose"
import type { KeyObject } from "node:crypto"
import type { FindKey } from "./Keys.ts"
import * as VerifiedTokens from "./VerifiedTokens.ts"

/** The token is not good here. The reason is for the log: it names the rule, never a value of the token. */
export class TokenRefused extends Schema.TaggedError<TokenRefused>()("TokenRefused", { reason: Schema.String }) {}

/** One kind of token; a token of another kind is refused by `typ` (RFC 8725, 3.11). */
export interface Kind {
  readonly typ: string
  readonly lifetime: Duration.Duration
}

/** Between the clocks of two machines. What remembers revoked sessions keeps them for longer than lifetime and skew. */
const skew = Duration.seconds(30)

/** Ours have about 500 characters; nothing longer is looked at. */
const maxLength = 8192

/** Only this, whatever a header asks for: no `none`, no shared secrets. */
const alg = "EdDSA"

const seconds = Effect.map(Clock.currentTimeMillis, (millis) => Math.floor(millis / 1000))

/** Signs claims; `iat`, `nbf` and `exp` are added. */
export const sign = Effect.fnUntraced(function*(
  { lifetime, typ }: Kind,
  claims: JWTPayload,
  { kid, privateKey }: { readonly kid: string; readonly privateKey: KeyObject }
) {
  const now = yield* seconds
  const token = new SignJWT(claims)
    .setProtectedHeader({ alg, typ, kid })
    .setIssuedAt(now)
    .setNotBefore(now)
    .setExpirationTime(now + Duration.toSeconds(lifetime))
  return yield* Effect.promise(() => token.sign(privateKey))
})

const refused = (error: unknown) =>
  new TokenRefused({
    reason: error instanceof errors.JWTClaimValidationFailed
      ? `${error.claim} ${error.reason}`
      : error instanceof errors.JOSEError ? error.code : "malformed"
  })

const kidOf = Effect.fnUntraced(function*(text: string) {
  const { kid } = yield* Effect.try({ try: () => decodeProtectedHeader(text), catch: refused })
  return typeof kid === "string" ? kid : yield* new TokenRefused({ reason: "no kid" })
})

/** What a verifier takes: tokens of one kind, for one audience. */
interface Expected extends Kind {
  readonly audience: string
  readonly issuer?: string
  readonly claims: ReadonlyArray<string>
}

/**
 * Tells the claims of a token that we signed for this audience, within its time. Where the key comes from is our business
 * alone: `jku`, `jwk` and `x5u` of the header are not looked at.
 *
 * A token that was found good is remembered, so that its signature is not checked again at each use. Its key is looked up and
 * its times are held against the clock at each. One token has many spellings (base64url that is not canonical), and each is
 * verified by itself: what is known about a token, whoever spells it, goes by its `jti` and never by its text.
 */
export const verifier = <E>(expected: Expected, findKey: FindKey<E>) => {
  const lifetime = Duration.toSeconds(expected.lifetime)
  const tolerance = Duration.toSeconds(skew)
  const options: JWTVerifyOptions = {
    algorithms: [alg],
    typ: expected.typ,
    audience: expected.audience,
    ...(expected.issuer === undefined ? {} : { issuer: expected.issuer }),
    requiredClaims: ["iat", "nbf", "exp", ...expected.claims],
    maxTokenAge: lifetime,
    clockTolerance: tolerance
  }
  const verified = VerifiedTokens.make()

  /** Within what jose allows; at any other time jose itself is asked, for the reason as well. */
  const timesOf = ({ exp = -Infinity, iat = -Infinity, nbf = Infinity }: JWTPayload) => ({
    from: Math.max(iat, nbf) - tolerance,
    until: Math.min(iat + lifetime, exp) + tolerance
  })

  return Effect.fnUntraced(function*(token: Redacted.Redacted) {
    const text = Redacted.value(token)
    if (text.length > maxLength) return yield* new TokenRefused({ reason: "too long" })
    const known = verified.get(text)
    const kid = known === undefined ? yield* kidOf(text) : known.kid
    const key = yield* findKey(kid)
    if (key === undefined) return yield* new TokenRefused({ reason: "unknown kid" })
    const now = yield* seconds
    if (known?.key === key && known.from <= now && now < known.until) return known
    const { payload } = yield* Effect.tryPromise({
      try: () => jwtVerify(text, key, { ...options, currentDate: new Date(now * 1000) }),
      catch: refused
    })
    const found = { key, kid, payload, ...timesOf(payload) }
    verified.set(text, found)
    return found
  })
}
