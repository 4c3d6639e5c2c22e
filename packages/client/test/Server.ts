import { DateTime, Effect, Layer, Redacted } from "effect"
import { HttpRouter, HttpServer, HttpServerRespondable, HttpServerResponse } from "effect/http"
import { HttpApiBuilder, HttpApiMiddleware } from "effect/http-api"
import { Money } from "@marketplace/domain/Money"
import { OrderId } from "@marketplace/domain/Order/Ids"
import { MemberId, SessionId } from "@marketplace/domain/User/Ids"
import { Member, MemberOnly } from "@marketplace/schema/Access"
import { OrderApi, OrderUnknown, OrderView, TotalDiffers } from "@marketplace/schema/Order/HttpApi"
import { InvalidRequest, Unauthenticated, ValidatesRequests } from "@marketplace/schema/Problems"
import { MemberView, SessionView, UserApi, WrongCredentials } from "@marketplace/schema/User/HttpApi"
import { createServer } from "node:http"

export const memberId = MemberId.make("01941f29-7c00-7000-8000-000000000001")
export const orderId = OrderId.make("01941f29-7c00-7000-8000-000000000005")
const member = { memberId, sessionId: SessionId.make("01941f29-7c00-7000-8000-000000000002") }
const password = "correct horse"
const accessToken = "good"

const order = new OrderView({
  id: orderId,
  status: "AWAITING_PAYMENT",
  total: new Money({ amount: 15_900, currency: "KRW" }),
  sellerOrders: [],
  paymentDeadline: DateTime.makeUnsafe("2025-01-01T00:30:00.000Z"),
  rejection: null,
  createdAt: DateTime.makeUnsafe("2025-01-01T00:00:00.000Z")
})

/** Problems are sent with more members than the contract names. */
const complete = (problem: HttpServerRespondable.Respondable) =>
  Effect.map(HttpServerRespondable.toResponse(problem), (response) => {
    const told = response.body._tag === "Uint8Array" ? JSON.parse(new TextDecoder().decode(response.body.body)) : {}
    return HttpServerResponse.jsonUnsafe({ ...told, title: "다른 언어", instance: "/v1", traceId: "0".repeat(32) }, {
      status: response.status,
      contentType: "application/problem+json"
    })
  })

const users = Layer.mergeAll(
  HttpApiBuilder.group(UserApi, "sessions", (handlers) =>
    handlers.handleAll({
      logIn: ({ payload }) =>
        Redacted.value(payload.password) === password
          ? Effect.succeed(new SessionView({ accessToken, tokenType: "Bearer", expiresIn: 600, memberId }))
          : complete(new WrongCredentials({}))
    })),
  HttpApiBuilder.group(UserApi, "ownSession", (handlers) => handlers.handleAll({ logOut: () => Effect.void })),
  HttpApiBuilder.group(UserApi, "members", (handlers) =>
    handlers.handleAll({
      me: () => Effect.succeed(new MemberView({ id: memberId, email: "buyer@example.com", name: "Buyer", purchases: 3 }))
    }))
)

const orders = HttpApiBuilder.group(OrderApi, "orders", (handlers) =>
  handlers.handleAll({
    place: ({ headers, payload }) =>
      headers["idempotency-key"] !== "intent-1" || payload.expectedTotal.amount !== 15_900
        ? complete(new TotalDiffers({ expected: payload.expectedTotal, actual: order.total }))
        : Effect.succeed(order),
    // Something between here and there says no in its own words.
    list: ({ query }) =>
      query.limit === 20
        ? Effect.succeed({ items: [order], nextCursor: "next" })
        : Effect.succeed(HttpServerResponse.text("slow down", { status: 429 })),
    get: ({ params }) => params.id === orderId ? Effect.succeed(order) : complete(new OrderUnknown({ orderId: params.id })),
    timeline: () => Effect.never
  }))

const guards = Layer.succeed(MemberOnly, MemberOnly.of({
  bearer: (operation, { credential }) =>
    Redacted.value(credential) === accessToken
      ? Effect.provideService(operation, Member, member)
      : Effect.fail(new Unauthenticated({}))
}))

const validation = HttpApiMiddleware.layerSchemaErrorTransform(ValidatesRequests, () => new InvalidRequest({ errors: [] }))

const { handler } = HttpRouter.toWebHandler(
  Layer.mergeAll(HttpApiBuilder.layer(UserApi), HttpApiBuilder.layer(OrderApi)).pipe(
    Layer.provide([users, orders]),
    Layer.provide([guards, validation, HttpServer.layerServices])
  ),
  { disableLogger: true }
)

/** Serves the contracts on a socket; gives the address. */
export const serve = Effect.gen(function*() {
  const server = createServer(async (request, response) => {
    const chunks: Array<Buffer> = []
    for await (const chunk of request) chunks.push(chunk)
    const answer = await handler(new Request(`http://${request.headers.host}${request.url}`, {
      method: request.method ?? "GET",
      headers: Object.entries(request.headers).map(([name, value]): [string, string] => [name, String(value)]),
      ...chunks.length === 0 ? {} : { body: Buffer.concat(chunks) }
    }))
    response.writeHead(answer.status, Object.fromEntries(answer.headers))
    response.end(Buffer.from(await answer.arrayBuffer()))
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () => Effect.sync(() => {
      server.close()
      server.closeAllConnections()
    })
  )
  const address = server.address()
  return typeof address === "object" && address !== null ? `http://127.0.0.1:${address.port}` : ""
})
