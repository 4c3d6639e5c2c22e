import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Redacted } from "effect"
import { SecureRandom } from "effect/crypto"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { TestClock } from "effect/testing"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { MemberId, SessionId } from "@marketplace/domain/User/Ids"
import { accessTokenLifetime, keySetRoute, TokenSigner, TokenVerifier } from "@marketplace/service/Tokens"
import { generateKeys, type JwkSet, readSigningKey } from "@marketplace/service/Tokens/Keys"
import { createHmac, type KeyObject, sign } from "node:crypto"
import { setTimeout } from "node:timers/promises"

const memberId = MemberId.make("01900000-0000-7000-8000-000000000001")
const sessionId = SessionId.make("01900000-0000-7000-8000-000000000002")
const other = "01900000-0000-7000-8000-000000000003"

/** Seconds. */
const now = 1_800_000_000

const base64url = (value: unknown) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url")

/** What a forger can do, and what we do: by hand, so that nothing is checked on the way. */
const forge = (header: object, claims: unknown, key: KeyObject | string | undefined) => {
  const input = `${base64url(header)}.${base64url(claims)}`
  const signature = key === undefined
    ? ""
    : typeof key === "string"
    ? createHmac("sha256", key).update(input).digest("base64url")
    : sign(null, Buffer.from(input), key).toString("base64url")
  return `${input}.${signature}`
}

const world = Effect.gen(function*() {
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
type World = Effect.Success<typeof world>

const verify = (token: string) => TokenVerifier.use((verifier) => verifier.verify(Redacted.make(token)))

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

const signer = (privatePem: Redacted.Redacted, others?: JwkSet) =>
  TokenSigner.layer(privatePem, others).pipe(Layer.provide(SecureRandom.layerWebCrypto))

const signed = TokenSigner.use(({ sign }) => sign({ memberId, sessionId }))

describe("TokenSigner", () => {
  it.effect("signs what the verifier takes, for ten minutes, each under its own id", () =>
    Effect.gen(function*() {
      const { privatePem } = yield* world
      yield* Effect.gen(function*() {
        const token = yield* signed
        const first = yield* verify(token)
        assert.deepStrictEqual([first.memberId, first.sessionId], [memberId, sessionId])
        assert.notStrictEqual((yield* verify(yield* signed)).jti, first.jti)
        yield* TestClock.adjust(accessTokenLifetime)
        yield* verify(token)
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual((yield* Effect.flip(verify(token)))._tag, "Unauthenticated")
      }).pipe(Effect.provide(TokenVerifier.layerSigner.pipe(Layer.provideMerge(signer(privatePem)))))
    }))

  it.effect("is believed by those with the same issuer only", () =>
    Effect.gen(function*() {
      const { keySet, privatePem } = yield* world
      const issuer = (TOKEN_ISSUER: string) => Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ TOKEN_ISSUER })))
      const token = yield* signed.pipe(Effect.provide(signer(privatePem).pipe(issuer("https://one.example"))))
      yield* verify(token).pipe(Effect.provide(TokenVerifier.layerLocal(keySet).pipe(issuer("https://one.example"))))
      yield* verify(token).pipe(Effect.flip, Effect.provide(TokenVerifier.layerLocal(keySet).pipe(issuer("https://two.example"))))
    }))

  it.effect("does not start with a key that is none, and does not show it", () =>
    Effect.gen(function*() {
      const error = yield* Layer.build(signer(Redacted.make("secret-but-broken"))).pipe(Effect.scoped, Effect.flip)
      assert.strictEqual(error._tag, "InvalidKey")
      assert.notInclude(JSON.stringify(error) + String(error), "secret-but-broken")
    }))

  it.effect("changes its key: the one before is good until it is taken out of the set", () =>
    Effect.gen(function*() {
      const before = yield* world
      const after = yield* generateKeys
      const old = yield* signed.pipe(Effect.provide(signer(before.privatePem)))
      const both = signer(after.privatePem, before.keySet)
      const fresh = yield* signed.pipe(Effect.provide(both))
      const published = yield* TokenSigner.useSync(({ keySet }) => keySet).pipe(Effect.provide(both))

      assert.deepStrictEqual(published.keys.map(({ kid }) => kid), [after.publicJwk.kid, before.publicJwk.kid])
      assert.notInclude(JSON.stringify(published), "\"d\"")
      yield* Effect.andThen(verify(old), verify(fresh)).pipe(Effect.provide(TokenVerifier.layerLocal(published)))
      yield* Effect.andThen(Effect.flip(verify(old)), verify(fresh)).pipe(
        Effect.provide(TokenVerifier.layerLocal({ keys: [after.publicJwk] }))
      )
    }))
})

/** The client of `NodeHttpServer.layerTest` knows the server. */
const keySetPath = "/.well-known/jwks.json"

/** The user service's address for keys, which counts how often it is asked and may be away. */
const served = Effect.fnUntraced(function*(keySet: JwkSet, away = false) {
  const here = { asked: 0, away, keySet }
  const routes = HttpRouter.add("GET", keySetPath, () => {
    here.asked += 1
    return Effect.succeed(here.away ? HttpServerResponse.empty({ status: 503 }) : HttpServerResponse.jsonUnsafe(here.keySet))
  })
  yield* Layer.build(HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }))
  const context = yield* Layer.build(TokenVerifier.layerRemote(keySetPath))
  return { here, verify: (token: string) => Effect.provide(verify(token), context) }
})

/** The verifier reads in the background. */
const eventually = <A, E, R>(effect: Effect.Effect<A, E, R>, holds: (value: A) => boolean, left = 1000): Effect.Effect<A, E, R> =>
  Effect.flatMap(effect, (value) =>
    holds(value) || left === 0
      ? Effect.succeed(value)
      : Effect.andThen(Effect.promise(() => setTimeout(2)), eventually(effect, holds, left - 1)))

describe("TokenVerifier with remote keys", () => {
  it.effect("reads the set that the signer's route serves", () =>
    Effect.gen(function*() {
      const { privatePem } = yield* world
      yield* Layer.build(HttpRouter.serve(keySetRoute, { disableLogger: true, disableListenLog: true })).pipe(
        Effect.provide(signer(privatePem))
      )
      const token = yield* signed.pipe(Effect.provide(signer(privatePem)))
      const { memberId: member } = yield* verify(token).pipe(Effect.provide(TokenVerifier.layerRemote(keySetPath)))
      assert.strictEqual(member, memberId)
    }).pipe(Effect.provide(NodeHttpServer.layerTest)))

  it.effect("asks once for many unknown keys, and finds a new one after the cooldown", () =>
    Effect.gen(function*() {
      const { claims, header, keySet, privatePem, stranger } = yield* world
      const { here, verify } = yield* served(keySet)
      const token = yield* signed.pipe(Effect.provide(signer(privatePem)))
      yield* Effect.all(Array.from({ length: 20 }, () => verify(token)), { concurrency: "unbounded" })
      assert.strictEqual(here.asked, 1)

      const unknown = forge({ ...header, kid: stranger.publicJwk.kid }, claims, stranger.privateKey)
      const madeUp = (n: number) => forge({ ...header, kid: `made-up-${n}` }, claims, stranger.privateKey)
      yield* Effect.forEach(Array.from({ length: 20 }), (_, n) => Effect.flip(verify(n % 2 === 0 ? unknown : madeUp(n))), {
        concurrency: "unbounded"
      })
      assert.strictEqual(here.asked, 1)

      here.keySet = { keys: [...keySet.keys, stranger.publicJwk] }
      yield* TestClock.adjust("30 seconds")
      yield* verify(unknown)
      yield* verify(token)
      yield* Effect.flip(verify(madeUp(1)))
      assert.strictEqual(here.asked, 2)
    }).pipe(Effect.provide(NodeHttpServer.layerTest)))

  it.effect("is not unauthenticated but unavailable before it knows a key, and does not ask for each", () =>
    Effect.gen(function*() {
      const { keySet, privatePem } = yield* world
      const { here, verify } = yield* served(keySet, true)
      const token = yield* signed.pipe(Effect.provide(signer(privatePem)))
      const refusals = Array.from({ length: 20 }, () => Effect.flip(verify(token)))
      const refused = yield* Effect.all(refusals, { concurrency: "unbounded" })
      assert.isTrue(refused.every(({ _tag }) => _tag === "Unavailable"))
      assert.strictEqual(here.asked, 1)
      here.away = false
      yield* TestClock.adjust("1 second")
      yield* verify(token)
    }).pipe(Effect.provide(NodeHttpServer.layerTest)))

  it.effect("forgets a key that was taken out, and goes on with what it has while nobody answers", () =>
    Effect.gen(function*() {
      const { keySet, privatePem, stranger } = yield* world
      const { here, verify } = yield* served(keySet)
      const token = yield* signed.pipe(Effect.provide(signer(privatePem)))
      yield* verify(token)
      here.away = true
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(yield* eventually(Effect.sync(() => here.asked), (asked) => asked === 2), 2)
      yield* verify(token)

      here.away = false
      here.keySet = { keys: [stranger.publicJwk] }
      // The reading that failed may not have ended before the clock moves on.
      const tag = verify(token).pipe(Effect.as("accepted"), Effect.catch(({ _tag }) => Effect.succeed(_tag)))
      const refused = yield* eventually(Effect.tap(tag, TestClock.adjust("1 second")), (tag) => tag !== "accepted")
      assert.strictEqual(refused, "Unauthenticated")
    }).pipe(Effect.provide(NodeHttpServer.layerTest)))
})
