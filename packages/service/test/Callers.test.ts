import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SecureRandom } from "effect/crypto"
import { HttpClient, HttpClientRequest, HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApi, HttpApiBuilder, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { MemberId, SessionId } from "@marketplace/domain/User/Ids"
import { Member, MemberOnly } from "@marketplace/schema/Access"
import { Unavailable } from "@marketplace/schema/Problems"
import { Callers, layerGuards, VerifiedMember } from "@marketplace/service/Callers"
import { Revocations } from "@marketplace/service/Revocations"
import { serviceRoutes } from "@marketplace/service/Server"
import { TokenSigner, TokenVerifier } from "@marketplace/service/Tokens"
import { generateKeys } from "@marketplace/service/Tokens/Keys"

const memberId = MemberId.make("01900000-0000-7000-8000-000000000001")
const sessionId = (n: number) => SessionId.make(`01900000-0000-7000-8000-00000000000${n}`)
const live = sessionId(1)
const ended = sessionId(2)
const unknown = sessionId(3)
const endsSoon = sessionId(4)

class Api extends HttpApi.make("api").add(
  HttpApiGroup.make("members").add(HttpApiEndpoint.get("me", "/me", { success: MemberId })).middleware(MemberOnly)
) {}

const routes = HttpApiBuilder.layer(Api).pipe(
  Layer.provide(HttpApiBuilder.group(Api, "members", (handlers) =>
    handlers.handleAll({ me: () => Member.useSync(({ memberId }) => memberId) }))),
  Layer.provide(layerGuards)
)

const revoked = new Set([ended])

const revocations = Layer.succeed(Revocations, Revocations.of({
  isRevoked: (id) => id === unknown ? Effect.fail(new Unavailable({ retryAfterSeconds: 7 })) : Effect.succeed(revoked.has(id))
}))

const signer = Layer.unwrap(Effect.map(generateKeys, ({ privatePem }) => TokenSigner.layer(privatePem))).pipe(
  Layer.provide(SecureRandom.layerWebCrypto)
)

const callers = Callers.layer.pipe(
  Layer.provide(Layer.merge(TokenVerifier.layerSigner, revocations)),
  Layer.provideMerge(signer)
)

const served = HttpRouter.serve(serviceRoutes(routes), { disableLogger: true, disableListenLog: true }).pipe(
  Layer.provideMerge(callers),
  Layer.provideMerge(NodeHttpServer.layerTest)
)

const me = Effect.fnUntraced(function*(headers: Record<string, string>) {
  const response = yield* HttpClient.execute(HttpClientRequest.get("/me", { headers }))
  return { response, body: yield* response.json as Effect.Effect<{ readonly type?: string } | string> }
})

const tokenOf = (sessionId: SessionId) => TokenSigner.use(({ sign }) => sign({ memberId, sessionId }))

const test = (what: string, effect: Effect.Effect<void, unknown, HttpClient.HttpClient | TokenSigner>) =>
  it.effect(what, () => Effect.provide(effect, served))

describe("the guard of members", () => {
  test("lets a member in", Effect.gen(function*() {
    const { body, response } = yield* me({ authorization: `Bearer ${yield* tokenOf(live)}` })
    assert.deepStrictEqual([response.status, body], [200, memberId])
  }))

  test("lets him in until his session ends, though the token is the same", Effect.gen(function*() {
    const headers = { authorization: `Bearer ${yield* tokenOf(endsSoon)}` }
    const statusNow = Effect.map(me(headers), ({ response }) => response.status)
    assert.deepStrictEqual(yield* Effect.replicateEffect(statusNow, 2), [200, 200])
    revoked.add(endsSoon)
    assert.deepStrictEqual(yield* Effect.replicateEffect(statusNow, 2), [401, 401])
  }))

  for (const [name, headers] of Object.entries<Effect.Effect<Record<string, string>, never, TokenSigner>>({
    "no token": Effect.succeed({}),
    "an empty one": Effect.succeed({ authorization: "Bearer " }),
    "something else": Effect.succeed({ authorization: "Bearer hello" }),
    "another scheme": Effect.map(tokenOf(live), (token) => ({ authorization: `Basic ${token}` })),
    "the token of a session that ended": Effect.map(tokenOf(ended), (token) => ({ authorization: `Bearer ${token}` })),
    "headers that claim to be the gateway's": Effect.succeed({
      "x-user-id": memberId,
      "x-member-id": memberId,
      "verifiedmember": JSON.stringify({ memberId, sessionId: live })
    })
  })) {
    test(`answers 401 to ${name}`, Effect.gen(function*() {
      const { body, response } = yield* me(yield* headers)
      assert.strictEqual(response.status, 401)
      assert.strictEqual(response.headers["content-type"], "application/problem+json")
      assert.strictEqual(response.headers["www-authenticate"], "Bearer")
      assert.include(body, { type: "/problems/unauthenticated" })
      assert.notInclude(JSON.stringify(body), memberId)
    }))
  }

  test("answers 503 when nobody can say whether the session has ended", Effect.gen(function*() {
    const { body, response } = yield* me({ authorization: `Bearer ${yield* tokenOf(unknown)}` })
    assert.deepStrictEqual([response.status, response.headers["retry-after"]], [503, "7"])
    assert.include(body, { type: "/problems/unavailable" })
  }))

  it.effect("takes whom the gateway of this process has verified, and verifies nothing again", () =>
    Effect.gen(function*() {
      const verifiesNobody = Callers.of({ verify: () => Effect.die(new Error("verified again")) })
      const app = yield* HttpRouter.toHttpEffect(serviceRoutes(routes)).pipe(Effect.provideService(Callers, verifiesNobody))
      const answer = (request: Request) =>
        app.pipe(
          Effect.provideService(HttpServerRequest.HttpServerRequest, HttpServerRequest.fromWeb(request)),
          Effect.map((response) => HttpServerResponse.toWeb(response)),
          Effect.scoped
        )
      const response = yield* answer(new Request("http://localhost/me")).pipe(
        Effect.provideService(VerifiedMember, { memberId, sessionId: live })
      )
      assert.deepStrictEqual([response.status, yield* Effect.promise(() => response.json())], [200, memberId])
    }).pipe(Effect.scoped, Effect.provide(NodeHttpServer.layerHttpServices)))
})
