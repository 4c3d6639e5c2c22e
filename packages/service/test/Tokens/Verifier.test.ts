import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TokenVerifier } from "@marketplace/service/Tokens"
import { base64url, forge, memberId, now, other, sessionId, verify, type World, world } from "./Forging.ts"

const without = (claims: object, name: string) => Object.fromEntries(Object.entries(claims).filter(([key]) => key !== name))

const signedWith = (changed: object, claimsOf: (world: World) => unknown = ({ claims }) => claims) => (world: World) =>
  forge({ ...world.header, ...changed }, claimsOf(world), world.privateKey)

const withHeader = (changed: object) => signedWith(changed)
const withClaims = (changed: object) => signedWith({}, ({ claims }) => ({ ...claims, ...changed }))
const withoutClaim = (name: string) => signedWith({}, ({ claims }) => without(claims, name))

/** security.md 13–20. */
const refusals: Readonly<Record<string, (world: World) => string>> = {
  "nothing": () => "",
  "no token at all": () => "hello",
  "three dots": () => "a.b.c",
  "five parts (JWE)": ({ claims, header }) =>
    `${base64url({ ...header, enc: "A256GCM", zip: "DEF" })}.${base64url(claims)}.a.b.c`,
  "alg none without signature": ({ claims, header }) => forge({ ...header, alg: "none" }, claims, undefined),
  "alg nOnE without signature": ({ claims, header }) => forge({ ...header, alg: "nOnE" }, claims, undefined),
  "alg none, signed": withHeader({ alg: "none" }),
  "alg missing": withHeader({ alg: undefined }),
  "HS256 with the public key as secret": ({ claims, header, publicJwk }) =>
    forge({ ...header, alg: "HS256" }, claims, publicJwk.x),
  "HS256 with the public key as JSON": ({ claims, header, publicJwk }) =>
    forge({ ...header, alg: "HS256" }, claims, JSON.stringify(publicJwk)),
  "ES256": withHeader({ alg: "ES256" }),
  "RS256": withHeader({ alg: "RS256" }),
  "signed by a stranger under our kid": ({ claims, header, stranger }) => forge(header, claims, stranger.privateKey),
  "signed by a stranger who brings the key (jwk)": ({ claims, header, stranger }) =>
    forge({ ...header, jwk: stranger.publicJwk }, claims, stranger.privateKey),
  "signed by a stranger who says where the key is (jku, x5u)": ({ claims, header, stranger }) =>
    forge({ ...header, jku: "http://127.0.0.1:1/jwks", x5u: "http://127.0.0.1:1/cert" }, claims, stranger.privateKey),
  "kid of a stranger": ({ claims, header, stranger }) =>
    forge({ ...header, kid: stranger.publicJwk.kid }, claims, stranger.privateKey),
  "kid missing": withHeader({ kid: undefined }),
  "kid a path": withHeader({ kid: "../../../../dev/null" }),
  "kid SQL": withHeader({ kid: "x' union select 'key" }),
  "kid an URL": withHeader({ kid: "http://127.0.0.1:1/key" }),
  "kid no string": withHeader({ kid: 7 }),
  "kid __proto__": withHeader({ kid: "__proto__" }),
  "typ missing": withHeader({ typ: undefined }),
  "typ of any JWT": withHeader({ typ: "JWT" }),
  "typ of a service token": withHeader({ typ: "service+jwt" }),
  "typ of a refresh token": withHeader({ typ: "refresh+jwt" }),
  "unknown crit": withHeader({ crit: ["exp2"], exp2: 1 }),
  "payload not encoded (b64)": withHeader({ crit: ["b64"], b64: false }),
  "other audience": withClaims({ aud: "order" }),
  "other audiences": withClaims({ aud: ["order", "payment"] }),
  "aud missing": withoutClaim("aud"),
  "other issuer": withClaims({ iss: "https://evil.example" }),
  "iss missing": withoutClaim("iss"),
  "exp missing": withoutClaim("exp"),
  "exp no number": withClaims({ exp: String(now + 600) }),
  "expired beyond the skew": withClaims({ iat: now - 631, nbf: now - 631, exp: now - 31 }),
  "nbf missing": withoutClaim("nbf"),
  "not yet, beyond the skew": withClaims({ nbf: now + 31 }),
  "iat missing": withoutClaim("iat"),
  "iat in the future, beyond the skew": withClaims({ iat: now + 31 }),
  "lives longer than an access token": withClaims({ iat: now - 631, exp: now + 100_000 }),
  "sub missing": withoutClaim("sub"),
  "sub no member": withClaims({ sub: "admin" }),
  "sub a list": withClaims({ sub: [memberId] }),
  "sid missing": withoutClaim("sid"),
  "sid no session": withClaims({ sid: 1 }),
  "jti missing": withoutClaim("jti"),
  "claims a list": signedWith({}, ({ claims }) => [claims]),
  "claims no JSON": signedWith({}, () => "{"),
  "other claims under the signature": (world) => {
    const [header, , signature] = withClaims({})(world).split(".")
    return `${header}.${base64url({ ...world.claims, sub: other })}.${signature}`
  },
  "signature cut": (world) => withClaims({})(world).slice(0, -4),
  "signature empty": (world) => withClaims({})(world).replace(/[^.]*$/, ""),
  "8 kB": withClaims({ padding: "x".repeat(8192) }),
  "64 kB": withClaims({ padding: "x".repeat(65_536) })
}

const accepted: Readonly<Record<string, (world: World) => string>> = {
  "as signed": withClaims({}),
  "expired within the skew": withClaims({ iat: now - 629, nbf: now - 629, exp: now - 29 }),
  "from a clock that is ahead within the skew": withClaims({ iat: now + 29, nbf: now + 29, exp: now + 629 }),
  "one of several audiences": withClaims({ aud: ["other", "marketplace"] }),
  "with a key and an address in its header, that nobody reads": withHeader({ jku: "http://127.0.0.1:1/", jwk: { kty: "OKP" } })
}

describe("TokenVerifier", () => {
  for (const [name, forged] of Object.entries(refusals)) {
    it.effect(`refuses ${name}`, () =>
      Effect.gen(function*() {
        const here = yield* world
        const errors = yield* Effect.flip(verify(forged(here))).pipe(
          Effect.replicateEffect(2),
          Effect.provide(TokenVerifier.layerLocal(here.keySet))
        )
        assert.deepStrictEqual(errors.map(({ _tag }) => _tag), ["Unauthenticated", "Unauthenticated"])
      }))
  }

  for (const [name, made] of Object.entries(accepted)) {
    it.effect(`takes a token ${name}`, () =>
      Effect.gen(function*() {
        const here = yield* world
        const tokens = yield* verify(made(here)).pipe(
          Effect.replicateEffect(2),
          Effect.provide(TokenVerifier.layerLocal(here.keySet))
        )
        const token = { memberId, sessionId, jti: other }
        assert.deepStrictEqual(tokens, [token, token])
      }))
  }
})
