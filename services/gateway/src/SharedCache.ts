import { Context, Effect, Layer, Metric, type Scope, Stream } from "effect"
import { Cookies, HttpBody, type HttpServerRequest, HttpServerResponse } from "effect/http"
import { monotonicMillis } from "@marketplace/events/MonotonicMillis"
import { Unavailable } from "@marketplace/schema/Problems"
import * as LeastRecentlyUsed from "@marketplace/service/LeastRecentlyUsed"
import * as Metrics from "@marketplace/telemetry/Metrics"
import { hash } from "node:crypto"
import { Settings } from "./Settings.ts"

type Answer = HttpServerResponse.HttpServerResponse

/** Answers that are the same for everybody, in this process (RFC 9111); only for operations with `sharedFor`. */
export class SharedCache extends Context.Service<SharedCache, {
  /**
   * The answer to this path and query that is kept, while it is fresh; else the service's own, which is kept for as long as it
   * says. Either way with an `ETag`, and 304 to whoever has it already. `Cache-Control: no-cache` asks the service.
   */
  readonly answer: <E, R>(request: HttpServerRequest.HttpServerRequest, asking: Effect.Effect<Answer, E, R>) =>
    Effect.Effect<Answer, E | Unavailable, R | Scope.Scope>
}>()("@marketplace/gateway/SharedCache") {
  static readonly layer = Layer.effect(SharedCache, Effect.map(Settings, ({ cacheBytes }) =>
    cacheBytes > 0 ? make(cacheBytes) : SharedCache.of({ answer: (_, asking) => asking })))
}

const mostAnswers = 20_000

/** Of one answer. Larger ones are passed on as they come. */
const mostBytes = 1024 * 1024

interface Kept {
  readonly response: Answer
  readonly bytes: number
  readonly etag: string
  /** When the service was asked, in monotonic milliseconds: not one change from then on is in it. */
  readonly at: number
  /** In milliseconds. */
  readonly lifetime: number
}

const hits = Metrics.sharedCacheRequests("hit")
const misses = Metrics.sharedCacheRequests("miss")
const bypasses = Metrics.sharedCacheRequests("bypass")

const make = (bytes: number) => {
  const kept = LeastRecentlyUsed.make<Kept>({ values: mostAnswers, bytes })

  const keep = (url: string, one: Kept) => {
    const newer = kept.get(url)
    if (newer !== undefined && newer.at > one.at) return
    kept.set(url, one, one.bytes)
  }

  return SharedCache.of({
    answer: Effect.fnUntraced(function*(request, asking) {
      const { headers, method, url } = request
      const now = yield* monotonicMillis
      const wishes = headers["cache-control"] === undefined ? undefined : directivesOf(headers["cache-control"])
      const found = kept.get(url)
      if (found !== undefined && now - found.at < Math.min(found.lifetime, oldestFor(wishes))) {
        yield* Metric.update(hits, 1)
        return shown(request, found, Math.floor((now - found.at) / 1000))
      }
      yield* Metric.update(oldestFor(wishes) === 0 ? bypasses : misses, 1)
      const response = yield* asking
      // The answer to HEAD has no content.
      if (method !== "GET") return response
      const lifetime = lifetimeOf(response)
      if (lifetime === 0) {
        // There is something else now; after a failure of ours, perhaps not.
        if (response.status < 500) kept.delete(url)
        return response
      }
      const one = yield* entity(response, now, lifetime)
      if (one === undefined) return response
      if (wishes?.has("no-store") !== true) keep(url, one)
      return shown(request, one)
    })
  })
}

/** `public, max-age=10` as names and values. */
const directivesOf = (text: string): ReadonlyMap<string, string> =>
  new Map(text.toLowerCase().split(",").map((directive) => {
    const [name = "", value = ""] = directive.trim().split("=")
    return [name, value.replaceAll("\"", "")]
  }))

/** How old an answer may be for who asks, in milliseconds; 0: he wants the service's own. */
const oldestFor = (wishes: ReadonlyMap<string, string> | undefined): number => {
  if (wishes === undefined) return Infinity
  if (wishes.has("no-cache") || wishes.has("no-store")) return 0
  return (seconds(wishes.get("max-age")) ?? Infinity) * 1000
}

const seconds = (text: string | undefined): number | undefined => text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined

/** For how many milliseconds an answer may be shown to others; 0: not at all. */
const lifetimeOf = ({ cookies, headers, status }: Answer): number => {
  const control = headers["cache-control"]
  if (status !== 200 || control === undefined || headers["set-cookie"] !== undefined || !Cookies.isEmpty(cookies)) return 0
  // Another caller might get another one; or it comes from a cache, and nobody here knows since when it is.
  if (headers["vary"] !== undefined || headers["content-encoding"] !== undefined || headers["age"] !== undefined) return 0
  const said = directivesOf(control)
  if (!said.has("public") || said.has("no-store") || said.has("no-cache") || said.has("private")) return 0
  return (seconds(said.get("s-maxage")) ?? seconds(said.get("max-age")) ?? 0) * 1000
}

/** Headers of the one answer in which they came. */
const once = ["date", "x-request-id", "x-trace-id", "traceparent", "ratelimit", "ratelimit-policy"]

const entity = Effect.fnUntraced(function*(response: Answer, at: number, lifetime: number) {
  const body = yield* bytesOf(response.body)
  if (body === undefined) return
  const etag = response.headers["etag"] ?? `"${hash("sha256", body.body, "base64url").slice(0, 22)}"`
  const lasting = once.reduce((lasting, name) => HttpServerResponse.removeHeader(lasting, name), response)
  return {
    response: lasting.pipe(HttpServerResponse.setBody(body), HttpServerResponse.setHeader("etag", etag)),
    bytes: body.contentLength,
    etag,
    at,
    lifetime
  }
})

/** Without the text, which takes twice the room in Korean, and in V8's heap. Undefined if it is large, or nobody knows how large. */
const bytesOf = (body: HttpBody.HttpBody): Effect.Effect<HttpBody.Uint8Array | undefined, Unavailable> => {
  if (body._tag !== "Uint8Array" && body._tag !== "Stream") return Effect.undefined
  if (body.contentLength === undefined || body.contentLength > mostBytes) return Effect.undefined
  if (body._tag === "Uint8Array") return Effect.succeed(HttpBody.uint8Array(body.body, body.contentType))
  return Stream.mkUint8Array(body.stream).pipe(
    Effect.map((bytes) => HttpBody.uint8Array(bytes, body.contentType)),
    Effect.mapError(() => new Unavailable({ retryAfterSeconds: 1, detail: "the service's answer was cut" }))
  )
}

/** @param age in seconds, of one that was kept */
const shown = ({ headers }: HttpServerRequest.HttpServerRequest, { etag, response }: Kept, age?: number): Answer => {
  const asked = headers["if-none-match"]
  const answer = asked !== undefined && isAmong(asked, etag)
    ? HttpServerResponse.empty({ status: 304, headers: { etag, "cache-control": response.headers["cache-control"] } })
    : response
  return age === undefined ? answer : HttpServerResponse.setHeader(answer, "age", String(age))
}

/** Weak comparison, as `If-None-Match` is read (RFC 9110, section 13.1.2). */
const isAmong = (asked: string, etag: string) =>
  asked === etag || asked.split(",").map(opaque).some((one) => one === "*" || one === opaque(etag))

const opaque = (etag: string) => etag.trim().replace(/^W\//, "")
