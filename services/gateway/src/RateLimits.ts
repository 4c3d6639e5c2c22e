import { Context, Duration, Effect, Layer, Option, Result } from "effect"
import { HttpEffect, type HttpServerRequest, HttpServerResponse } from "effect/http"
import { IpNetwork, NetAddress } from "effect/net"
import { RateLimiter } from "effect/persistence"
import { TooManyRequests, Unavailable } from "@marketplace/schema/Problems"
import { monotonicMillis } from "@marketplace/events/MonotonicMillis"
import { Settings } from "./Settings.ts"

/** Requests that are counted together. */
export type Policy = "general" | "log-in"

/** Bounds what one client address may ask for. */
export class RateLimits extends Context.Service<RateLimits, {
  /**
   * Counts a request and has its answer tell what is left (`RateLimit`, draft-ietf-httpapi-ratelimit-headers).
   * Unavailable: nobody knows what was counted, so nobody logs in; other requests pass.
   */
  readonly consume: (request: HttpServerRequest.HttpServerRequest, policy: Policy) =>
    Effect.Effect<void, TooManyRequests | Unavailable, HttpServerRequest.HttpServerRequest>
}>()("@marketplace/gateway/RateLimits") {
  /** Asks for the limiter, whose store says how many gateways share the counts. */
  static readonly layerNoDeps = Layer.effect(RateLimits, Effect.gen(function*() {
    const limiter = yield* RateLimiter.RateLimiter
    const { loginsPerMinute, requestsPerMinute, unlimited } = yield* Settings
    const limits: Readonly<Record<Policy, number>> = { "general": requestsPerMinute, "log-in": loginsPerMinute }

    return RateLimits.of({
      consume: Effect.fnUntraced(function*({ remoteAddress }, policy) {
        const limit = limits[policy]
        const client = Option.flatMap(remoteAddress, addressOf)
        const isUnlimited = Option.exists(client, (address) => unlimited.some((network) => IpNetwork.contains(network, address)))
        if (limit <= 0 || isUnlimited) return
        const tell = (left: number, reset: Duration.Duration) =>
          HttpEffect.appendPreResponseHandler((_, response) =>
            Effect.succeed(HttpServerResponse.setHeaders(response, {
              "ratelimit-policy": `"${policy}";q=${limit};w=60`,
              "ratelimit": `"${policy}";r=${left};t=${seconds(reset)}`
            })))
        yield* limiter.consume({
          algorithm: "token-bucket",
          window: "1 minute",
          limit,
          key: `${policy} ${Option.match(client, { onNone: () => "unknown", onSome: bucketOf })}`
        }).pipe(Effect.matchEffect({
          onSuccess: ({ remaining, resetAfter }) => tell(remaining, resetAfter),
          onFailure: Effect.fnUntraced(function*({ reason }) {
            if (reason._tag === "RateLimitExceeded") {
              yield* tell(0, reason.retryAfter)
              return yield* new TooManyRequests({ retryAfterSeconds: seconds(reason.retryAfter) })
            }
            yield* Effect.logWarning("Requests cannot be counted", reason)
            if (policy === "log-in") return yield* new Unavailable({ retryAfterSeconds: 1 })
          })
        }))
      })
    })
  }))

  /** Counts in this process. */
  static readonly layer = RateLimits.layerNoDeps.pipe(
    Layer.provide(RateLimiter.layer),
    Layer.provide(Layer.effect(RateLimiter.RateLimiterStore, Effect.suspend(() => forgetfulStore)))
  )
}

const seconds = (duration: Duration.Duration) => Math.max(1, Math.ceil(Duration.toSeconds(duration)))

const addressOf = (text: string): Option.Option<NetAddress.IpAddress> =>
  Option.map(Result.getSuccess(NetAddress.ipFromString(text)), (address) => NetAddress.toCanonical(address))

/** Who has one IPv6 address has all of its /64. */
const bucketOf = (address: NetAddress.IpAddress): string =>
  NetAddress.isIpv6Address(address) ? IpNetwork.format(IpNetwork.fromAddressUnsafe(address, 64)) : NetAddress.formatIp(address)

/** Effect's store in memory keeps every address that it has ever seen: a new one each hour bounds it. */
const forgetfulStore = Effect.gen(function*() {
  const make = Effect.scoped(Effect.map(Layer.build(Layer.fresh(RateLimiter.layerStoreMemory)), (built) =>
    Context.get(built, RateLimiter.RateLimiterStore)))
  let store = yield* make
  let madeAt = yield* monotonicMillis
  const current = Effect.gen(function*() {
    const now = yield* monotonicMillis
    if (now - madeAt > Duration.toMillis("1 hour")) {
      madeAt = now
      store = yield* make
    }
    return store
  })
  return RateLimiter.RateLimiterStore.of({
    fixedWindow: (options) => Effect.flatMap(current, (store) => store.fixedWindow(options)),
    tokenBucket: (options) => Effect.flatMap(current, (store) => store.tokenBucket(options)),
    adaptiveConsume: (options) => Effect.flatMap(current, (store) => store.adaptiveConsume(options)),
    adaptiveFeedback: (options) => Effect.flatMap(current, (store) => store.adaptiveFeedback(options))
  })
})
