import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { TestClock } from "effect/testing"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { keySetRoute, TokenVerifier } from "@marketplace/service/Tokens"
import type { JwkSet } from "@marketplace/service/Tokens/Keys"
import { setTimeout } from "node:timers/promises"
import { forge, memberId, signed, signer, verify, world } from "./Forging.ts"

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
