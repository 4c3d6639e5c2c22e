import { Clock, Duration, Effect, Redacted, Schema } from "effect"
import { decodeProtectedHeader, errors, type JWTPayload, jwtVerify, SignJWT } from "jose"
import type { KeyObject } from "node:crypto"
import type { FindKey } from "./Keys.ts"

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

/**
 * The claims of a token that we signed for this audience, within its time. Where the key comes from is our business alone:
 * `jku`, `jwk` and `x5u` of the header are not looked at. One token has many spellings (base64url that is not canonical),
 * so nothing may be remembered under its text.
 */
export const verify = Effect.fnUntraced(function*<E>(
  token: Redacted.Redacted,
  expected: Kind & { readonly audience: string; readonly issuer?: string; readonly claims: ReadonlyArray<string> },
  findKey: FindKey<E>
) {
  const text = Redacted.value(token)
  if (text.length > maxLength) return yield* new TokenRefused({ reason: "too long" })
  const { kid } = yield* Effect.try({ try: () => decodeProtectedHeader(text), catch: refused })
  if (typeof kid !== "string") return yield* new TokenRefused({ reason: "no kid" })
  const key = yield* findKey(kid)
  if (key === undefined) return yield* new TokenRefused({ reason: "unknown kid" })
  const now = yield* Clock.currentTimeMillis
  const { payload } = yield* Effect.tryPromise({
    try: () =>
      jwtVerify(text, key, {
        algorithms: [alg],
        typ: expected.typ,
        audience: expected.audience,
        ...(expected.issuer === undefined ? {} : { issuer: expected.issuer }),
        requiredClaims: ["iat", "nbf", "exp", ...expected.claims],
        maxTokenAge: Duration.toSeconds(expected.lifetime),
        clockTolerance: Duration.toSeconds(skew),
        currentDate: new Date(now)
      }),
    catch: refused
  })
  return { kid, payload }
})
