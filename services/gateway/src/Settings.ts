import { Config, Context, Layer, Result, Schema } from "effect"
import { IpNetwork } from "effect/net"

/** `none` is nothing: an empty variable counts as one that is not set. */
const listOf = (text: string) => text.split(",").map((one) => one.trim()).filter((one) => one !== "" && one !== "none")

const Networks = Schema.String.check(Schema.makeFilter((text) =>
  listOf(text).every((one) => Result.isSuccess(IpNetwork.fromString(one)))
  || "networks, as 10.0.0.0/8, with commas between them"))

const settings = Config.all({
  /** Requests of one client address in a minute, all operations but log-in together; 0 is no limit. */
  requestsPerMinute: Config.Int("GATEWAY_RATE_LIMIT_PER_MINUTE").pipe(Config.withDefault(6000)),
  /** Log-ins of one client address in a minute; 0 is no limit. */
  loginsPerMinute: Config.Int("GATEWAY_LOGIN_LIMIT_PER_MINUTE").pipe(Config.withDefault(60)),
  /** Networks whose clients have no limit, or `none`; by default this machine. */
  unlimited: Config.schema(Networks, "GATEWAY_UNLIMITED_NETWORKS").pipe(
    Config.withDefault("127.0.0.0/8, ::1/128"),
    Config.map((text) => listOf(text).map(IpNetwork.fromStringUnsafe))
  ),
  /** Networks of the proxies in front, whose `X-Forwarded-…` is believed; without any, a client is who connects. */
  trustedProxies: Config.schema(Networks, "GATEWAY_TRUSTED_PROXIES").pipe(
    Config.withDefault(""),
    Config.map((text) => listOf(text).map(IpNetwork.fromStringUnsafe))
  ),
  /** Origins whose pages may call the API, as `https://shop.example`, with commas between them; by default none. */
  corsOrigins: Config.String("GATEWAY_CORS_ORIGINS").pipe(Config.withDefault("none"), Config.map(listOf)),
  /** Room for answers that are the same for everybody, in bytes (set in MiB); 0 keeps none. */
  cacheBytes: Config.Int("GATEWAY_CACHE_MEBIBYTES").pipe(Config.withDefault(32), Config.map((mebibytes) => mebibytes * 1024 * 1024))
})

/** How the gateway treats those outside. */
export class Settings extends Context.Service<Settings, Config.Success<typeof settings>>()("@marketplace/gateway/Settings") {
  static readonly layer = Layer.effect(Settings, settings)
}
