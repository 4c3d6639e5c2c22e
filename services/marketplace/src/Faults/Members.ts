import { ConfigProvider, Effect, Layer, Redacted } from "effect"
import { SecureRandom } from "effect/crypto"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { MemberId, SessionId } from "@marketplace/domain/User/Ids"
import { Email } from "@marketplace/domain/User/Member"
import * as Outbox from "@marketplace/events/Outbox"
import * as Database from "@marketplace/postgres/Database"
import { TokenSigner } from "@marketplace/service/Tokens"
import { userSchema } from "@marketplace/user/Database"
import { Members } from "@marketplace/user/Members"
import { MemberRepository } from "@marketplace/user/Members/Repository"
import { Passwords } from "@marketplace/user/Passwords"
import { Settings } from "@marketplace/user/Settings"
import type { Marketplace } from "./Marketplace.ts"
import * as Owner from "./Owner.ts"

const layer = (directory: string) =>
  Members.layer.pipe(
    Layer.provide([MemberRepository.layer, Passwords.layer]),
    Layer.provide([Outbox.Outbox.layer("user"), Settings.layer]),
    Layer.provide(Layer.suspend(() =>
      Database.layer({ url: Owner.serverOf(directory).urlOf(userSchema.name), service: "faults", maxConnections: 1 }))),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv()))
  )

/** Makes so many members, whom nobody has seen yet, and gives what signs in one of them each time it is asked. */
export const arrive = async ({ directory, tokenPrivateKey }: Marketplace, count: number): Promise<() => Promise<string>> => {
  const signer = Layer.provideMerge(TokenSigner.layer(Redacted.make(tokenPrivateKey())), NodeCrypto.layerSecureRandom)
  const run = <A, E>(effect: Effect.Effect<A, E, SecureRandom.SecureRandom | TokenSigner>) =>
    Effect.runPromise(Effect.provide(effect, signer))
  const ids = await run(Effect.gen(function*() {
    const random = yield* SecureRandom.SecureRandom
    const ids = yield* Effect.forEach(Array.from({ length: count }), () => Effect.map(random.uuidV7(), (id) => MemberId.make(id)))
    const members = ids.map((id) => ({ id, email: Email.make(`${id}@example.com`), name: "buyer" }))
    yield* Members.use((service) => service.addVerified(members, Redacted.make("of nobody's concern"))).pipe(Effect.provide(layer(directory)))
    return ids
  }))
  return () =>
    run(Effect.gen(function*() {
      const [signer, random, memberId] = [yield* TokenSigner, yield* SecureRandom.SecureRandom, ids.pop()]
      if (memberId === undefined) return yield* Effect.die(new Error("all members have been here"))
      return yield* signer.sign({ memberId, sessionId: SessionId.make(yield* random.uuidV7()) })
    }))
}
