import { assert, describe } from "@effect/vitest"
import { ConfigProvider, Effect, Layer } from "effect"
import { SessionId } from "@marketplace/domain/User/Ids"
import { WrongCredentials } from "@marketplace/schema/User/HttpApi"
import { TokenSigner } from "@marketplace/service/Tokens"
import { generateKeys } from "@marketplace/service/Tokens/Keys"
import { members } from "../../src/Seed/Data.ts"
import { eventually, newKey, offer, send, wish } from "./Shopping.ts"
import { logIn, Place } from "./Place.ts"
import { type Tests, World } from "./World.ts"

const enter = (name: string) => Effect.flatMap(Place, ({ gatewayUrl }) => logIn(gatewayUrl, `${name}@example.com`))

/** What somebody else's marketplace would sign for a member. */
const foreign = Effect.gen(function*() {
  const { buyers: { minji } } = yield* World
  const { privatePem } = yield* generateKeys
  return yield* TokenSigner.use((signer) =>
    signer.sign({ memberId: minji.memberId, sessionId: SessionId.make("01890a5d-ac96-774b-bcce-b302099a8057") })).pipe(
    Effect.provide(TokenSigner.layer(privatePem).pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: {} })))))
  )
})

const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")

export const cases = (it: Tests) =>
  describe("access", () => {
    it.effect("ends within five seconds of a log-out, for that session alone", () => Effect.gen(function*() {
      const [leaving, staying] = [yield* enter("emma"), yield* enter("emma")]
      assert.strictEqual((yield* leaving.client.members.me({})).id, leaving.memberId)
      yield* leaving.client.ownSession.logOut({})
      yield* eventually(send("GET", "/v1/members/me", { token: leaving.token }), ({ status }) => status === 401, "5 seconds")
      const refused = yield* Effect.flip(leaving.client.members.me({}))
      assert.strictEqual(refused._tag, "Unauthenticated")
      assert.strictEqual((yield* staying.client.members.me({})).id, leaving.memberId)
    }))

    it.effect("is not for members who are disabled", () => Effect.gen(function*() {
      const { sql } = yield* World
      yield* enter("jiwoo")
      yield* sql`update user_service.member set status = 'DISABLED' where email = 'jiwoo@example.com'`
      assert.instanceOf(yield* Effect.flip(enter("jiwoo")), WrongCredentials)
      assert.instanceOf(yield* Effect.flip(enter("nobody")), WrongCredentials)
    }))

    it.effect("is for nobody with a token that the marketplace did not sign", () => Effect.gen(function*() {
      const { buyers: { minji: { memberId, token } } } = yield* World
      const [header = "", payload = "", signature = ""] = token.split(".")
      const claims = JSON.parse(Buffer.from(payload, "base64url").toString())
      const tokens = [
        undefined,
        "",
        "x",
        `${header}.${payload}.`,
        `${header}.${base64({ ...claims, sub: members[1]!.id })}.${signature}`,
        `${header}.${base64({ ...claims, exp: claims.exp + 3600 })}.${signature}`,
        `${base64({ alg: "none", typ: "at+jwt" })}.${payload}.`,
        yield* foreign
      ]
      const tray = yield* offer()
      for (const bad of tokens) {
        const own = bad === undefined ? {} : { token: bad }
        // what only the platform may say is not believed
        const forged = { "x-user-id": memberId, "x-member-id": memberId }
        const headers = { ...forged, "idempotency-key": yield* newKey }
        const asked = [
          yield* send("GET", "/v1/members/me", { ...own, headers: forged }),
          yield* send("POST", "/v1/orders", { ...own, headers, body: wish([tray]) })
        ]
        for (const { json, status } of asked) {
          assert.deepStrictEqual([status, json.type], [401, "/problems/unauthenticated"], String(bad))
        }
      }
      assert.strictEqual((yield* send("GET", "/v1/members/me", { token })).status, 200)
    }))
  })
