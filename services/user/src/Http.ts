import { Duration, Effect, Layer, Option } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Member } from "@marketplace/schema/Access"
import { Unauthenticated } from "@marketplace/schema/Problems"
import { MemberView, SessionView, TooManyLogins, UserApi, WrongCredentials } from "@marketplace/schema/User/HttpApi"
import { accessTokenLifetime, TokenSigner } from "@marketplace/service/Tokens"
import { Members } from "./Members.ts"
import { Sessions } from "./Sessions.ts"

const logIn = HttpApiBuilder.group(UserApi, "sessions", Effect.fn(function*(handlers) {
  const sessions = yield* Sessions
  const tokens = yield* TokenSigner
  return handlers.handleAll({
    logIn: Effect.fn(function*({ payload }) {
      const { id, memberId } = yield* sessions.logIn(payload.email, payload.password)
      const accessToken = yield* tokens.sign({ memberId, sessionId: id })
      return new SessionView({ accessToken, tokenType: "Bearer", expiresIn: Duration.toSeconds(accessTokenLifetime), memberId })
    }, Effect.catchTags({
      LoginRefused: () => new WrongCredentials({}),
      TooBusy: () => new TooManyLogins({ retryAfterSeconds: 1 })
    }))
  })
}))

const logOut = HttpApiBuilder.group(UserApi, "ownSession", Effect.fn(function*(handlers) {
  const sessions = yield* Sessions
  return handlers.handleAll({
    logOut: Effect.fn(function*() {
      const { sessionId } = yield* Member
      yield* sessions.logOut(sessionId)
    })
  })
}))

const profile = HttpApiBuilder.group(UserApi, "members", Effect.fn(function*(handlers) {
  const members = yield* Members
  return handlers.handleAll({
    me: Effect.fn(function*() {
      const { memberId } = yield* Member
      const found = yield* members.get(memberId)
      if (Option.isNone(found)) return yield* new Unauthenticated({})
      const { member: { email, id, name }, purchases } = found.value
      return new MemberView({ id, email, name, purchases })
    })
  })
}))

export const Http = Layer.mergeAll(logIn, logOut, profile)
