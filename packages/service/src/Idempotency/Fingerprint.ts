import { Effect, type Schema } from "effect"
import { HttpServerRequest } from "effect/http"
import { createHash } from "node:crypto"

/** SHA-256 of the current request's method, path and body; blanks and the order of keys make no difference. */
export const fingerprint: Effect.Effect<string, never, HttpServerRequest.HttpServerRequest> = Effect.gen(function*() {
  const request = yield* HttpServerRequest.HttpServerRequest
  const body = yield* Effect.orDie(request.json)
  const path = request.url.replace(/[?#].*$/s, "")
  return createHash("sha256").update(JSON.stringify([request.method, path, canonical(body)])).digest("base64url")
})

/** Keys in one order, at every depth. */
const canonical = (value: Schema.Json): Schema.Json => {
  if (Array.isArray(value)) return value.map(canonical)
  if (value === null || typeof value !== "object") return value
  return Object.fromEntries(
    Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1).map(([key, member]) => [key, canonical(member)])
  )
}
