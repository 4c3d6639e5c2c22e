import { Effect, Redacted, Ref, type Types } from "effect"
import { FetchHttpClient } from "effect/http"
import type { HttpApi, HttpApiClient, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { Email } from "@marketplace/domain/User/Member"
import type { MarketplaceApi } from "@marketplace/schema/MarketplaceApi"
import type { SessionView } from "@marketplace/schema/User/HttpApi"
import * as Client from "./Client.ts"

type Request<E extends HttpApiEndpoint.ConstraintRequest> = Types.Simplify<
  HttpApiEndpoint.ClientRequest<E["~Params"], E["~Query"], E["~Payload"], E["~Headers"], "decoded-only", never>
>

/** An operation as a function; `signal` gives up waiting for its answer, not the operation. */
export type Operation<E extends HttpApiEndpoint.ConstraintRequest> = (
  request: Request<E>,
  options?: { readonly signal?: AbortSignal }
) => Promise<HttpApiClient.SuccessType<E["~Success"]>>

type OperationsOf<Groups extends HttpApiGroup.Constraint> = {
  readonly [Group in Groups as Group["identifier"]]: {
    readonly [Name in keyof Group["endpoints"]]:
      Group["endpoints"][Name] extends infer E extends HttpApiEndpoint.ConstraintRequest ? Operation<E> : never
  }
}

/** The groups of the contracts: `client.orders.place(…)`. */
type Operations = typeof MarketplaceApi extends HttpApi.HttpApi<infer _Id, infer Groups> ? OperationsOf<Groups> : never

/** The public API for programs without Effect. */
export interface PromiseClient extends Operations {
  /** Logs in; from then on the guarded operations are asked for in this member's name. */
  readonly logIn: (email: string, password: string) => Promise<SessionView>
  /** Ends the session, and forgets its token in any case. */
  readonly logOut: () => Promise<void>
}

/**
 * A client whose operations return promises. Answers are the classes of the contracts; a promise is rejected with the class of
 * the problem (`error instanceof TotalDiffers`), or with an `HttpClientError` when there was no answer that the contract knows.
 *
 * @param baseUrl of the gateway, as `http://127.0.0.1:8080`
 */
export const make = (baseUrl: string): PromiseClient => {
  const { token, ...groups } = Effect.runSync(Effect.provide(Client.make(baseUrl), FetchHttpClient.layer))
  // The same methods, run: `Operations` says for each what `Client` says of its effect.
  const run = Object.fromEntries(Object.entries(groups).map(([name, group]) => [name, promises(group)]))
  const operations = run as unknown as Operations
  const remember = (accessToken: string | undefined) =>
    Effect.runPromise(Ref.set(token, accessToken === undefined ? undefined : Redacted.make(accessToken)))
  return {
    ...operations,
    logIn: async (email, password) => {
      const payload = { email: Email.make(email), password: Redacted.make(password) }
      const session = await operations.sessions.logIn({ payload })
      await remember(session.accessToken)
      return session
    },
    logOut: () => operations.ownSession.logOut().finally(() => remember(undefined))
  }
}

/** Of whatever request it wants; `Operations` says which. */
type Method = (request: never) => Effect.Effect<unknown, unknown>

const promises = (group: Readonly<Record<string, Method>>) =>
  Object.fromEntries(Object.entries(group).map(([name, method]) => {
    const run = (request: never, options?: { readonly signal?: AbortSignal }) => Effect.runPromise(method(request), options)
    return [name, run]
  }))
