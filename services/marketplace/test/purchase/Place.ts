import { Context, Effect, Redacted, Ref } from "effect"
import { HttpClientRequest } from "effect/http"
import { HttpApiClient, HttpApiMiddleware } from "effect/http-api"
import { type Client, make as makeClient } from "@marketplace/client/Client"
import { Email } from "@marketplace/domain/User/Member"
import type { MemberId } from "@marketplace/domain/User/Ids"
import { MerchantOnly, SimulatorApi } from "@marketplace/simulator/Api"
import { demoPassword } from "../../src/Seed/Data.ts"

/** A client of the payment provider, as its operator and as a buyer on its page. */
export const provider = (baseUrl: string, secret: string) =>
  HttpApiClient.make(SimulatorApi, { baseUrl }).pipe(
    Effect.provide(HttpApiMiddleware.layerClient(MerchantOnly, ({ next, request }) =>
      next(HttpClientRequest.basicAuth(request, secret, ""))))
  )

/** A marketplace that runs somewhere, and its payment provider. */
export class Place extends Context.Service<Place, {
  readonly gatewayUrl: string
  readonly provider: Effect.Success<ReturnType<typeof provider>>
}>()("test/Place") {}

/** A member who is logged in. */
export interface Buyer {
  readonly client: Client
  readonly memberId: MemberId
  readonly token: string
}

export const logIn = Effect.fnUntraced(function*(gatewayUrl: string, email: string) {
  const client = yield* makeClient(gatewayUrl)
  const payload = { email: Email.make(email), password: Redacted.make(demoPassword) }
  const { accessToken, memberId } = yield* client.sessions.logIn({ payload })
  yield* Ref.set(client.token, Redacted.make(accessToken))
  const buyer: Buyer = { client, memberId, token: accessToken }
  return buyer
})
