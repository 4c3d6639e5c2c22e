import { Config, Context, Duration, Effect, Layer, type Redacted, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { type HttpClient, HttpRouter, HttpServerResponse } from "effect/http"
import { MemberId, SessionId } from "@marketplace/domain/User/Ids"
import { Unauthenticated, type Unavailable } from "@marketplace/schema/Problems"
import { type Kind, sign, verifier } from "./Tokens/Jwt.ts"
import { type FindKey, importKeys, type InvalidKey, JwkSet, readSigningKey } from "./Tokens/Keys.ts"
import { remoteKeys } from "./Tokens/RemoteKeys.ts"

/** How long an access token speaks for its member, unless the session ends before. */
export const accessTokenLifetime = Duration.minutes(10)

/** RFC 9068. */
const accessToken: Kind = { typ: "at+jwt", lifetime: accessTokenLifetime }

/** All services take the same token: its member talks to one marketplace. */
const audience = "marketplace"

/** Who vouches for the members; the same for who signs and who verifies. */
const issuer = Config.NonEmptyString("TOKEN_ISSUER").pipe(Config.withDefault("https://marketplace.local"))

/** What an access token says. */
export interface AccessToken {
  readonly memberId: MemberId
  readonly sessionId: SessionId
  /** Of this one token; the name to use when something is kept about it. */
  readonly jti: string
}

/** Signs access tokens, in the user service alone. */
export class TokenSigner extends Context.Service<TokenSigner, {
  readonly sign: (session: Pick<AccessToken, "memberId" | "sessionId">) => Effect.Effect<string>
  /** The own key, then those that a key change needs. */
  readonly keySet: JwkSet
}>()("@marketplace/service/TokenSigner") {
  /**
   * @param privatePem Ed25519 in PKCS#8 PEM
   * @param others public keys to publish as well: of the key before this one until its tokens are over, or of the next one
   */
  static readonly layer = (privatePem: Redacted.Redacted, others: JwkSet = { keys: [] }) =>
    Layer.effect(TokenSigner, Effect.gen(function*() {
      const random = yield* SecureRandom.SecureRandom
      const iss = yield* issuer
      const { privateKey, publicJwk } = yield* readSigningKey("TOKEN_PRIVATE_KEY", privatePem)
      return TokenSigner.of({
        sign: Effect.fn("TokenSigner.sign")(function*({ memberId, sessionId }) {
          const jti = yield* random.uuidV7()
          const claims = { iss, aud: audience, sub: memberId, sid: sessionId, jti }
          return yield* sign(accessToken, claims, { kid: publicJwk.kid, privateKey })
        }),
        keySet: { keys: [publicJwk, ...others.keys.filter(({ kid }) => kid !== publicJwk.kid)] }
      })
    }))

  /** From `TOKEN_PRIVATE_KEY` and, for a change of keys, `TOKEN_OTHER_KEYS` (a JWK set). */
  static readonly layerConfig = Layer.unwrap(Effect.gen(function*() {
    const privatePem = yield* Config.Redacted("TOKEN_PRIVATE_KEY")
    const others = yield* Config.schema(Schema.fromJsonString(JwkSet), "TOKEN_OTHER_KEYS").pipe(Config.withDefault({ keys: [] }))
    return TokenSigner.layer(privatePem, others)
  }))
}

/** Tells what an access token says, if the marketplace signed it and its time is not over. Sessions that ended: `Callers`. */
export class TokenVerifier extends Context.Service<TokenVerifier, {
  /** Unavailable: nobody can say whether it is good, because the keys were never read. */
  readonly verify: (token: Redacted.Redacted) => Effect.Effect<AccessToken, Unauthenticated | Unavailable>
}>()("@marketplace/service/TokenVerifier") {
  static readonly layerLocal = (keySet: JwkSet): Layer.Layer<TokenVerifier, InvalidKey | Config.ConfigError> =>
    Layer.effect(
      TokenVerifier,
      Effect.flatMap(importKeys(keySet), (keys) => make((kid) => Effect.succeed(keys.get(kid))))
    )

  /** With the keys of the signer in the same process. */
  static readonly layerSigner = Layer.unwrap(TokenSigner.useSync(({ keySet }) => TokenVerifier.layerLocal(keySet)))

  /** @param url of the user service's `/.well-known/jwks.json` */
  static readonly layerRemote = (url: string): Layer.Layer<TokenVerifier, Config.ConfigError, HttpClient.HttpClient> =>
    Layer.effect(TokenVerifier, Effect.flatMap(remoteKeys(url), make))

  /** From `TOKEN_KEYS_URL`. */
  static readonly layerConfig = Layer.unwrap(
    Effect.map(Config.URL("TOKEN_KEYS_URL"), ({ href }) => TokenVerifier.layerRemote(href))
  )
}

const Claims = Schema.Struct({ sub: MemberId, sid: SessionId, jti: Schema.NonEmptyString })

const make = Effect.fnUntraced(function*(findKey: FindKey<Unavailable>) {
  const expected = { ...accessToken, audience, issuer: yield* issuer, claims: ["sub", "sid", "jti"] }
  const verify = verifier(expected, findKey)
  return TokenVerifier.of({
    verify: Effect.fn("TokenVerifier.verify")(function*(token) {
      const { payload } = yield* verify(token)
      const { jti, sid, sub } = yield* Schema.decodeUnknownEffect(Claims)(payload)
      return { memberId: sub, sessionId: sid, jti }
    }, Effect.catchTags({
      TokenRefused: ({ reason }) => refuse(reason),
      SchemaError: () => refuse("claims of another shape")
    }))
  })
})

const refuse = (reason: string) =>
  Effect.andThen(Effect.logDebug("access token refused", { reason }), new Unauthenticated({}))

/** `GET /.well-known/jwks.json`: what others verify access tokens with. */
export const keySetRoute = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const { keySet } = yield* TokenSigner
  const response = HttpServerResponse.jsonUnsafe(keySet, { headers: { "cache-control": "public, max-age=300" } })
  yield* router.add("GET", "/.well-known/jwks.json", response)
}))
