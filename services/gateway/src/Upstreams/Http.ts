import { Config, Duration, Effect, Layer, Option, Schema } from "effect"
import {
  Headers,
  HttpBody,
  HttpClient,
  HttpClientRequest,
  HttpMethod,
  type HttpServerRequest,
  HttpServerResponse,
  UrlParams
} from "effect/http"
import { Unavailable } from "@marketplace/schema/Problems"
import type { EventContext } from "@marketplace/schema/Topology"
import { Upstreams } from "../Upstreams.ts"

/** Until an upstream must have begun its answer; longer than the longest wait for a payment provider. */
const timeout = Config.Duration("GATEWAY_UPSTREAM_TIMEOUT").pipe(Config.withDefault(Duration.seconds(30)))

/** For the next hop alone (RFC 9110, 7.6.1), beside what `Connection` names. */
const hopByHop = [
  "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer",
  "transfer-encoding", "upgrade"
]

const forOneHop = (headers: Headers.Headers): ReadonlyArray<string> =>
  [...hopByHop, ...(headers["connection"] ?? "").split(",").map((name) => name.trim().toLowerCase())]
    .filter((name) => name in headers)

/** Read whole before anything is sent: what is too large or does not end costs no upstream anything. */
const bodyOf = (request: HttpServerRequest.HttpServerRequest) =>
  HttpMethod.hasBody(request.method)
    ? Effect.map(request.arrayBuffer, (buffer) =>
      buffer.byteLength === 0 ? HttpBody.empty : HttpBody.uint8Array(new Uint8Array(buffer), request.headers["content-type"]))
    : Effect.succeed(HttpBody.empty)

const pathOf = (url: string) => url.replace(/[?#].*$/s, "")

const addressesOf = (text: string) => text.split(",").map((url) => url.trim().replace(/\/$/, ""))

const Addresses = Schema.String.check(Schema.makeFilter((text) =>
  addressesOf(text).every((url) => /^https?:\/\/[^/?#]+$/.test(url) && URL.canParse(url))
  || "addresses, as http://order:8080, with commas between them"))

/** Addresses that take turns. */
const upstream = Effect.fnUntraced(function*(setting: string) {
  const urls = addressesOf(yield* Config.schema(Addresses, setting))
  let turn = 0
  return () => urls[turn++ % urls.length]
})

/**
 * Other machines, in turn: `USER_URL`, `PRODUCT_URL`, `ORDER_URL` and `PAYMENT_URL` each take one or more addresses with
 * commas between them. A request is sent once: whether it may be sent again is for its caller to decide. The client must
 * not follow redirects by itself (`fetch` does, undici does not).
 */
export const layer = Layer.effect(Upstreams, Effect.gen(function*() {
  const client = yield* HttpClient.HttpClient
  const duration = yield* timeout
  const services: Readonly<Record<EventContext, () => string | undefined>> = {
    user: yield* upstream("USER_URL"),
    product: yield* upstream("PRODUCT_URL"),
    order: yield* upstream("ORDER_URL"),
    payment: yield* upstream("PAYMENT_URL")
  }

  return Upstreams.of({
    forward: Effect.fnUntraced(function*(service, request) {
      const { headers, method } = request
      const url = `${services[service]()}${request.url}`
      // `..` and backslashes would be resolved on the way, and so lead to another operation than the one that was routed.
      if (new URL(url).pathname !== pathOf(request.url)) return HttpServerResponse.empty({ status: 400 })
      const kept = Headers.removeMany(headers, [...forOneHop(headers), "host", "content-length", "expect"])
      const away = (why: string) =>
        Effect.andThen(
          Effect.logWarning(`${service} does not answer`, why),
          new Unavailable({ retryAfterSeconds: 1, detail: `${service} does not answer` })
        )
      const sent = HttpClientRequest.makeWith(method, url, UrlParams.empty, Option.none(), kept, yield* bodyOf(request))
      const response = yield* client.execute(sent).pipe(
        Effect.timeoutOrElse({ duration, orElse: () => away("no answer in time") }),
        Effect.catchTag("HttpClientError", ({ message }) => away(message))
      )
      const answer = HttpServerResponse.fromClientResponse(response)
      return forOneHop(answer.headers).reduce((kept, name) => HttpServerResponse.removeHeader(kept, name), answer)
    })
  })
}))
