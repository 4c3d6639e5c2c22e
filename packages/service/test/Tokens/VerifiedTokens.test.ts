import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { verifier } from "@marketplace/service/Tokens/Jwt"
import { generateKeys, importKeys, readSigningKey } from "@marketplace/service/Tokens/Keys"
import * as VerifiedTokens from "@marketplace/service/Tokens/VerifiedTokens"
import { CompactSign } from "jose"
import { generateKeyPairSync } from "node:crypto"

/** Seconds. */
const now = 1_800_000_000

const expected = {
  typ: "at+jwt",
  lifetime: Duration.minutes(10),
  audience: "marketplace",
  issuer: "https://marketplace.local",
  claims: ["sub"]
}

const claims = { iss: expected.issuer, aud: expected.audience, sub: "me", iat: now, nbf: now, exp: now + 600 }

const signerNamed = (kid: string) =>
  Effect.gen(function*() {
    const { privatePem, publicJwk } = yield* generateKeys
    const keySet = { keys: [{ ...publicJwk, kid }] }
    const { privateKey } = yield* readSigningKey("test", privatePem)
    const sign = (changed: object = {}) =>
      Effect.promise(() =>
        new CompactSign(Buffer.from(JSON.stringify({ ...claims, ...changed })))
          .setProtectedHeader({ alg: "EdDSA", typ: expected.typ, kid })
          .sign(privateKey)
      )
    return { sign, read: importKeys(keySet) }
  })

const world = Effect.gen(function*() {
  yield* TestClock.setTime(now * 1000)
  const own = yield* signerNamed("own")
  const stranger = yield* signerNamed("own")
  const here = { keys: yield* own.read }
  const verifierOf = (changed: Partial<typeof expected> = {}) => {
    const verify = verifier({ ...expected, ...changed }, (kid) => Effect.sync(() => here.keys.get(kid)))
    return (token: string) => verify(Redacted.make(token))
  }
  return { own, stranger, here, verifierOf, verify: verifierOf() }
})

/** Why a token is refused. */
const outcome = <A>(verified: Effect.Effect<A, { readonly reason: string }>) =>
  verified.pipe(Effect.as("accepted"), Effect.catch(({ reason }) => Effect.succeed(reason)))

/** Whether the answer is there at once. A signature is checked by another thread. */
const isRemembered = <A, E>(verified: Effect.Effect<A, E>) =>
  Effect.map(Effect.context(), (context) => Exit.isSuccess(Effect.runSyncExitWith(context)(verified)))

const lives: Readonly<Record<string, { readonly iat?: number; readonly nbf?: number; readonly exp?: number }>> = {
  "as signed": {},
  "that ends early": { exp: now + 60 },
  "that says it lasts longer than one may": { exp: now + 6000 },
  "that is good a little later than it was signed": { nbf: now + 20 },
  "that is good earlier than it was signed": { iat: now + 20, nbf: now - 100 },
  "with fractions of a second": { iat: now - 0.25, nbf: now + 0.5, exp: now + 60.75 }
}

describe("a token that was verified", () => {
  it.effect("is not verified again, and says the same", () =>
    Effect.gen(function*() {
      const { own, verify } = yield* world
      const token = yield* own.sign()
      const first = yield* verify(token)
      assert.deepStrictEqual([first.kid, first.payload], ["own", claims])
      assert.isTrue(yield* isRemembered(verify(token)))
      assert.deepStrictEqual(yield* verify(token), first)
      assert.isFalse(yield* isRemembered(verify(yield* own.sign({ sub: "somebody else" }))))
    }))

  for (const [name, changed] of Object.entries(lives)) {
    it.effect(`is taken at the same times as a new one: ${name}`, () =>
      Effect.gen(function*() {
        const { own, verify, verifierOf } = yield* world
        const { exp, iat, nbf } = { ...claims, ...changed }
        const token = yield* own.sign(changed)
        yield* verify(token)
        const edges = [iat, nbf, exp, iat + 600].flatMap((edge) => [edge - 30, edge, edge + 30]).map(Math.floor)
        const times = [...edges.flatMap((edge) => [edge - 1, edge, edge + 0.999, edge + 1, edge + 2]), now - 86_400, now + 86_400, now]
        const seen = new Set<string>()
        for (const time of times) {
          yield* TestClock.setTime(time * 1000)
          const known = yield* outcome(verify(token))
          assert.strictEqual(known, yield* outcome(verifierOf()(token)), `${time - now} seconds from now`)
          seen.add(known)
        }
        assert.isTrue(seen.has("accepted") && seen.size > 1)
        assert.isTrue(yield* isRemembered(verify(token)))
      }))
  }

  it.effect("is refused while its key is out of the set", () =>
    Effect.gen(function*() {
      const { here, own, verify } = yield* world
      const token = yield* own.sign()
      yield* verify(token)
      const before = here.keys
      here.keys = new Map()
      assert.strictEqual(yield* outcome(verify(token)), "unknown kid")
      here.keys = before
      assert.strictEqual(yield* outcome(verify(token)), "accepted")
    }))

  it.effect("is refused when another key has its key's name", () =>
    Effect.gen(function*() {
      const { here, own, stranger, verify } = yield* world
      const token = yield* own.sign()
      yield* verify(token)
      here.keys = yield* stranger.read
      assert.strictEqual(yield* outcome(verify(token)), "ERR_JWS_SIGNATURE_VERIFICATION_FAILED")
      assert.strictEqual(yield* outcome(verify(token)), "ERR_JWS_SIGNATURE_VERIFICATION_FAILED")
    }))

  it.effect("is verified again when the set was read again", () =>
    Effect.gen(function*() {
      const { here, own, verify } = yield* world
      const token = yield* own.sign()
      yield* verify(token)
      here.keys = yield* own.read
      assert.isFalse(yield* isRemembered(verify(token)))
      yield* verify(token)
      assert.isTrue(yield* isRemembered(verify(token)))
    }))

  it.effect("is verified by itself in each spelling", () =>
    Effect.gen(function*() {
      const { own, verify } = yield* world
      const token = yield* own.sign()
      yield* verify(token)
      const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
      // The last four bits of the last letter belong to no byte of the signature.
      const respelled = token.slice(0, -1) + alphabet[alphabet.indexOf(token.slice(-1)) + 1]
      assert.isFalse(yield* isRemembered(verify(respelled)))
      assert.deepStrictEqual((yield* verify(respelled)).payload, claims)
      const [header, payload] = token.split(".")
      assert.strictEqual(yield* outcome(verify(`${header}.${payload}.${"A".repeat(86)}`)), "ERR_JWS_SIGNATURE_VERIFICATION_FAILED")
      assert.strictEqual(yield* outcome(verify(`${header}.${payload}.`)), "ERR_JWS_SIGNATURE_VERIFICATION_FAILED")
    }))

  for (const [name, changed] of Object.entries<Partial<typeof expected>>({
    "of another kind": { typ: "service+jwt" },
    "for another audience": { audience: "order" },
    "of another issuer": { issuer: "https://evil.example" },
    "with other claims": { claims: ["sub", "sid"] },
    "that live shorter": { lifetime: Duration.seconds(60) }
  })) {
    it.effect(`is not taken by who takes tokens ${name}`, () =>
      Effect.gen(function*() {
        const { own, verify, verifierOf } = yield* world
        const other = verifierOf(changed)
        const token = yield* own.sign()
        yield* TestClock.adjust("2 minutes")
        yield* verify(token)
        assert.notStrictEqual(yield* outcome(other(token)), "accepted")
        assert.strictEqual(yield* outcome(verify(token)), "accepted")
        assert.notStrictEqual(yield* outcome(other(token)), "accepted")
      }))
  }

  it.effect("is taken though it was refused before, when what it was refused for is over", () =>
    Effect.gen(function*() {
      const { here, own, stranger, verify } = yield* world
      const early = yield* own.sign({ nbf: now + 60 })
      const strange = yield* stranger.sign()
      assert.strictEqual(yield* outcome(verify(early)), "nbf check_failed")
      assert.strictEqual(yield* outcome(verify(strange)), "ERR_JWS_SIGNATURE_VERIFICATION_FAILED")
      assert.isFalse(yield* isRemembered(verify(strange)))
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* outcome(verify(early)), "accepted")
      here.keys = yield* stranger.read
      assert.strictEqual(yield* outcome(verify(strange)), "accepted")
    }))

  it("is one of two thousand", () => {
    const { publicKey: key } = generateKeyPairSync("ed25519")
    const tokens = VerifiedTokens.make()
    const verified = { kid: "own", payload: claims, key, from: now, until: now + 600 }
    for (let n = 0; n <= 2000; n++) tokens.set(`token ${n}`, verified)
    assert.strictEqual(tokens.get("token 0"), undefined)
    assert.strictEqual(tokens.get("token 1"), verified)
    assert.strictEqual(tokens.get("token 2000"), verified)
  })
})
