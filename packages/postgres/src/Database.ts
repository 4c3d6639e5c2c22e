import { Cause, Config, Effect, Layer, Redacted, Schedule, String } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { PgClient } from "@effect/sql-pg"

export interface Options {
  readonly url: Redacted.Redacted<string>
  /** Whose connections these are, as PostgreSQL's `application_name`: `order`. */
  readonly service: string
  /** 10 if left out. */
  readonly maxConnections?: number
}

/** Five characters that name what PostgreSQL refused; none when the error did not come from it. */
export const sqlState = (error: SqlError.SqlError): string | undefined => {
  const { cause } = error.reason
  return cause instanceof Error && "code" in cause && typeof cause.code === "string" && /^[0-9A-Z]{5}$/.test(cause.code)
    ? cause.code
    : undefined
}

const unavailableStates = [
  // Lack of resources: connections, memory, disk.
  "53",
  // Shut down, crashed, starting up, session ended by an administrator.
  "57P",
  // I/O errors of the server's machine.
  "58",
  // A primary that became a standby.
  "25006"
]

/**
 * Whether the database, not the work, is the reason: no connection, a lost one, a server that starts or stops, too many
 * connections, a full disk; also a deadlock, a serialization failure and a time-out, where the same work may succeed the
 * next time. A caller waits and tries again, and nothing was decided. After a lost connection the result of a `commit` is
 * unknown: it may have happened.
 */
export const isUnavailable = (error: SqlError.SqlError): boolean => {
  switch (error.reason._tag) {
    case "ConnectionError":
    case "DeadlockError":
    case "SerializationError":
    case "LockTimeoutError":
    case "StatementTimeoutError":
      return true
  }
  const state = sqlState(error) ?? ""
  return error.reason.operation === "connect" || unavailableStates.some((start) => state.startsWith(start))
}

/**
 * A transaction whose connection is lost also fails to roll back, and Effect's client makes a defect of that, which would
 * hide from the caller that the database is away. It is turned back into the error it is.
 */
const typedLoss = <A, E, R>(transaction: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError.SqlError, R> =>
  Effect.catchCause(transaction, (cause): Effect.Effect<never, E | SqlError.SqlError> => {
    for (const reason of cause.reasons) {
      if (Cause.isDieReason(reason) && SqlError.isSqlError(reason.defect) && isUnavailable(reason.defect)) {
        return Effect.fail(reason.defect)
      }
    }
    return Effect.failCause(cause)
  })

const reasonOf = (error: SqlError.SqlError): string => {
  const { cause } = error.reason
  return cause instanceof Error ? cause.message : error.message
}

/** At boot the server, its role or its database may not be there yet: says so, and asks for at most a minute. */
const untilThere = (service: string, where: string) => <A, R>(ask: Effect.Effect<A, SqlError.SqlError, R>) =>
  ask.pipe(
    Effect.tapError((error) => Effect.logWarning(`${service} waits for PostgreSQL at ${where}: ${reasonOf(error)}`)),
    Effect.retry(Schedule.min([Schedule.exponential("250 millis"), Schedule.spaced("5 seconds")]).pipe(
      Schedule.upTo({ duration: "60 seconds" })
    ))
  )

/**
 * A pool of connections, as `PgClient` and `SqlClient`. Names are snake_case in SQL and camelCase here; what is inside a
 * `jsonb` value keeps its names. Building the layer waits up to a minute for the server to be there.
 *
 * The pool survives the server: connections that are lost are replaced when they are next needed. What was under way on
 * one fails with an error for which `isUnavailable` holds, inside a transaction too; nothing is repeated here.
 */
export const layer = (options: Options): Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, SqlError.SqlError> =>
  PgClient.layerFrom(Effect.gen(function*() {
    const url = new URL(Redacted.value(options.url))
    const client = yield* PgClient.make({
      url: options.url,
      // Also in the URL; repeated because the spans' attributes are taken from here.
      ...(url.hostname === "" ? {} : { host: url.hostname, port: Number(url.port || 5432) }),
      database: decodeURIComponent(url.pathname.slice(1)),
      applicationName: options.service,
      maxConnections: options.maxConnections ?? 10,
      connectTimeout: "5 seconds",
      // A server's machine that vanishes without a word is noticed after 30 + 10 seconds.
      keepAlive: "30 seconds",
      transformQueryNames: String.camelToSnake,
      transformResultNames: String.snakeToCamel,
      transformJson: false
    })
    yield* client`select 1`.pipe(untilThere(options.service, url.host))
    const { withTransaction } = client
    return Object.assign(client, {
      withTransaction: <R, E, A>(effect: Effect.Effect<A, E, R>) => typedLoss(withTransaction(effect))
    })
  }))

/** From `DATABASE_URL` and `DATABASE_POOL_MAX` (10 if not set). */
export const layerConfig = (
  service: string
): Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, SqlError.SqlError | Config.ConfigError> =>
  Layer.unwrap(Effect.gen(function*() {
    const url = yield* Config.Redacted("DATABASE_URL")
    const maxConnections = yield* Config.Int("DATABASE_POOL_MAX").pipe(Config.withDefault(10))
    return layer({ url, service, maxConnections })
  }))
