import { Context, Effect, flow, type Redacted, Ref } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { HttpApiClient, HttpApiMiddleware } from "effect/http-api"
import { MemberOnly } from "@marketplace/schema/Access"
import { MarketplaceApi } from "@marketplace/schema/MarketplaceApi"

/** What a client remembers between two calls: the access token of its last log-in. */
export type Token = Ref.Ref<Redacted.Redacted | undefined>

const Fresh = Context.Reference<boolean>("@marketplace/client/Fresh", { defaultValue: () => false })

/**
 * Has the operations within answered by the service itself: public reads are otherwise as old as `Age` says, up to what
 * `Cache-Control` allows.
 */
export const fresh = <A, E, R>(asking: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => Effect.provideService(asking, Fresh, true)

const sayFresh = (request: HttpClientRequest.HttpClientRequest) =>
  Effect.map(Fresh, (fresh) => fresh ? HttpClientRequest.setHeader(request, "cache-control", "no-cache") : request)

/**
 * A client of the whole public API, derived from the contracts: answers come back as their classes, problems as tagged
 * errors. Log in with `client.sessions.logIn`, put the access token into `token`, and the guarded operations send it. An answer
 * that no operation declares (the gateway's 429, a proxy's page) is an `HttpClientError` with its status. Nothing is sent
 * again by itself: after a lost answer, repeat an operation with the same Idempotency-Key.
 *
 * @param baseUrl of the gateway, as `http://127.0.0.1:8080`
 */
export const make = Effect.fnUntraced(function*(baseUrl: string) {
  const token: Token = yield* Ref.make<Redacted.Redacted | undefined>(undefined)
  const client = yield* HttpApiClient.make(MarketplaceApi, {
    transformClient: flow(HttpClient.mapRequest(HttpClientRequest.prependUrl(baseUrl)), HttpClient.mapRequestEffect(sayFresh))
  }).pipe(
    Effect.provide(HttpApiMiddleware.layerClient(MemberOnly, ({ next, request }) =>
      Effect.flatMap(Ref.get(token), (known) =>
        next(known === undefined ? request : HttpClientRequest.bearerToken(request, known)))))
  )
  return { ...client, token }
})

export type Client = Effect.Success<ReturnType<typeof make>>
