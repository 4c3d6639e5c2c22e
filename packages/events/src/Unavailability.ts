import { Cause, Predicate } from "effect"
import { SqlError } from "effect/sql"
import { isUnavailable } from "@marketplace/postgres/Database"

/**
 * Tags of errors that say that somebody cannot be reached at the moment, not that the event is wrong: a called service, a
 * provider, broker or registry, a call that took too long.
 */
export const unavailable: ReadonlySet<string> = new Set([
  "CalleeUnavailable",
  "ProviderUnavailable",
  "TransportUnavailable",
  "RpcClientError",
  "HttpClientError",
  "TimeoutError",
  "MongoUnavailable",
  "RedisUnavailable"
])

const says = (error: unknown): boolean =>
  SqlError.isSqlError(error)
    ? isUnavailable(error)
    : Predicate.hasProperty(error, "_tag") && typeof error._tag === "string" && unavailable.has(error._tag)

/** Whether the same work may succeed later. Repositories make defects of SQL errors, so these count like failures. */
export const isTemporary = (cause: Cause.Cause<unknown>): boolean =>
  cause.reasons.some((reason) =>
    Cause.isFailReason(reason) ? says(reason.error) : Cause.isDieReason(reason) ? says(reason.defect) : true)
