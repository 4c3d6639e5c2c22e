import { Config, Effect, Layer, Ref } from "effect"
import { HttpClient, HttpClientRequest, HttpServerRequest, HttpServerResponse } from "effect/http"
import { Unavailable } from "@marketplace/schema/Problems"
import type { EventContext } from "@marketplace/schema/Topology"
import { Upstreams } from "../Upstreams.ts"

/**
 * Other machines, in turn: `USER_URL`, `PRODUCT_URL`, `ORDER_URL` and `PAYMENT_URL` each take one or more addresses with
 * commas between them. A request is sent once: whether a POST may be repeated is for its caller to decide.
 */
export const layer = Layer.effect(Upstreams, Effect.gen(function*() {
  const client = yield* HttpClient.HttpClient
  const upstream = (name: string) =>
    Effect.gen(function*() {
      const urls = (yield* Config.NonEmptyString(name)).split(",").map((url) => url.trim().replace(/\/$/, ""))
      const turn = yield* Ref.make(0)
      return Effect.map(Ref.getAndUpdate(turn, (n) => (n + 1) % urls.length), (n) => urls[n] ?? "")
    })
  const services: Readonly<Record<EventContext, Effect.Effect<string>>> = {
    user: yield* upstream("USER_URL"),
    product: yield* upstream("PRODUCT_URL"),
    order: yield* upstream("ORDER_URL"),
    payment: yield* upstream("PAYMENT_URL")
  }

  return Upstreams.of({
    forward: Effect.fn("Upstreams.forward")(function*(service, request) {
      const url = yield* services[service]
      const response = yield* client.execute(HttpServerRequest.toClientRequest(request).pipe(
        HttpClientRequest.setUrl(new URL(request.url, url)),
        HttpClientRequest.removeHeader("host"),
        HttpClientRequest.removeHeader("connection")
      ))
      return HttpServerResponse.fromClientResponse(response)
    }, (forward, service) =>
      Effect.catchTag(forward, "HttpClientError", (error) =>
        Effect.andThen(
          Effect.logWarning(`${service} does not answer`, error.message),
          new Unavailable({ retryAfterSeconds: 1, detail: `${service} does not answer` })
        )))
  })
}))
