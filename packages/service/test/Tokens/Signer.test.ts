import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { accessTokenLifetime, TokenSigner, TokenVerifier } from "@marketplace/service/Tokens"
import { generateKeys } from "@marketplace/service/Tokens/Keys"
import { memberId, sessionId, signed, signer, verify, world } from "./Forging.ts"

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
