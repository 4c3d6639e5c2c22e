import { Layer } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import * as Outbox from "@marketplace/events/Outbox"
import * as Relay from "@marketplace/events/Relay"
import { UserApi } from "@marketplace/schema/User/HttpApi"
import { layerGuards } from "@marketplace/service/Callers"
import { layerDatabase } from "@marketplace/service/Health"
import * as InvalidRequests from "@marketplace/service/InvalidRequests"
import { keySetRoute } from "@marketplace/service/Tokens"
import { Consumers } from "./Consumers.ts"
import { Http } from "./Http.ts"
import { Members } from "./Members.ts"
import { MemberRepository } from "./Members/Repository.ts"
import { Passwords } from "./Passwords.ts"
import { Sessions } from "./Sessions.ts"
import { Settings } from "./Settings.ts"

export { Rpc } from "./Rpc.ts"

/** What the service can do. It asks for its database and for `SessionRepository`; who launches it chooses them. */
export const application = Layer.mergeAll(Members.layer, Sessions.layer).pipe(
  Layer.provide([MemberRepository.layer, Passwords.layer]),
  Layer.provide([Outbox.Outbox.layer("user"), Settings.layer])
)

/** Its part of the public API, and the keys with which others verify its tokens. */
export const routes = Layer.merge(HttpApiBuilder.layer(UserApi), keySetRoute).pipe(
  Layer.provide(Http),
  Layer.provide([layerGuards, InvalidRequests.layer])
)

/** What it does without being asked. */
export const work = Layer.mergeAll(Consumers, Relay.layer("user"), layerDatabase("user"))
