import { Config, Context, Duration, Effect, Layer, Redacted, Schema } from "effect"
import { Redis as Client } from "ioredis"
import { Database } from "@marketplace/telemetry/Names"

/** Redis did not do what it was asked, or did not say so. Only what may happen twice is asked again. */
export class RedisUnavailable extends Schema.TaggedError<RedisUnavailable>()("RedisUnavailable", { cause: Schema.Defect() }) {}

/**
 * A connection to Redis, which holds copies and hints, never the only copy of anything that was promised.
 *
 * With its defaults ioredis sends a command again whose reply was lost, and the caller sees the second answer. Here a
 * command is sent once, waits neither in an offline queue nor longer than its time-out, and fails instead.
 */
export class Redis extends Context.Service<Redis, {
  /** Fails at once while Redis is away, and after the time-out when it does not answer; reconnects by itself. */
  readonly run: <A>(command: (client: Client) => Promise<A>) => Effect.Effect<A, RedisUnavailable>
  /** Whether Redis answers. */
  readonly ping: Effect.Effect<void, RedisUnavailable>
}>()("@marketplace/redis/Redis") {
  /** `REDIS_URL`, and `REDIS_TIMEOUT` for a command (250 ms). Starts also while Redis is away. */
  static readonly layerConfig = Layer.effect(Redis, Effect.gen(function*() {
    const url = yield* Config.Redacted("REDIS_URL")
    const timeout = yield* Config.Duration("REDIS_TIMEOUT").pipe(Config.withDefault(Duration.millis(250)))
    const client = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const client = new Client(Redacted.value(url), {
          maxRetriesPerRequest: 0,
          enableOfflineQueue: false,
          autoResendUnfulfilledCommands: false,
          autoResubscribe: false,
          commandTimeout: Duration.toMillis(timeout),
          connectTimeout: 2_000,
          retryStrategy: (attempt) => Math.min(attempt * 50, 1_000)
        })
        // a lost connection is told by the commands that need it; without a listener ioredis prints it
        client.on("error", () => {})
        return client
      }),
      (client) => Effect.sync(() => client.disconnect())
    )
    yield* Effect.callback<void>((resume) => {
      const ready = () => resume(Effect.void)
      if (client.status === "ready") ready()
      else client.once("ready", ready)
      return Effect.sync(() => client.off("ready", ready))
    }).pipe(Effect.timeoutOption("2 seconds"))
    const attributes = { [Database.system]: "redis" }
    const run = <A>(command: (client: Client) => Promise<A>) =>
      Effect.tryPromise({ try: () => command(client), catch: (cause) => new RedisUnavailable({ cause }) }).pipe(
        Effect.withSpan("redis", { kind: "client", attributes }, { captureStackTrace: false })
      )
    return Redis.of({ run, ping: Effect.asVoid(run((client) => client.ping())) })
  }))
}
