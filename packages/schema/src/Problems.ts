import { Schema } from "effect"
import { HttpApiError, HttpApiMiddleware } from "effect/http-api"

/** The request is not what the contract says; every offence of it is listed. */
export class InvalidRequest extends HttpApiError.Problem<InvalidRequest>()("InvalidRequest", {
  type: "/problems/invalid-request",
  status: 400,
  title: "The request is not valid"
}, {
  errors: Schema.Array(Schema.Struct({
    in: Schema.Literals(["body", "path", "query", "header"]),
    /** RFC 6901. */
    pointer: Schema.String,
    detail: Schema.String
  }))
}) {}

/** The client has used up what its address may ask for in a minute. */
export class TooManyRequests extends HttpApiError.Problem<TooManyRequests>()("TooManyRequests", {
  type: "/problems/too-many-requests",
  status: 429,
  title: "Too many requests came from your address; wait as long as Retry-After says"
}, { retryAfterSeconds: Schema.Int }) {}

/** Every API of the marketplace answers bad input this way, and says when a client asks too much. */
export class ValidatesRequests extends HttpApiMiddleware.Service<ValidatesRequests>()("@marketplace/schema/ValidatesRequests", {
  error: [InvalidRequest, TooManyRequests]
}) {}

export class Unauthenticated extends HttpApiError.Problem<Unauthenticated>()("Unauthenticated", {
  type: "/problems/unauthenticated",
  status: 401,
  title: "Log in first: the access token is missing, expired or not valid"
}) {}

export class Forbidden extends HttpApiError.Problem<Forbidden>()("Forbidden", {
  type: "/problems/forbidden",
  status: 403,
  title: "Your role does not allow this operation"
}) {}

/** Something the operation needs is away for a moment. Nothing was decided; the same request may be sent again. */
export class Unavailable extends HttpApiError.Problem<Unavailable>()("Unavailable", {
  type: "/problems/unavailable",
  status: 503,
  title: "The service cannot answer right now; send the same request again"
}, {
  retryAfterSeconds: Schema.Int
}) {}

/** The key was used before for a request with another body. */
export class IdempotencyKeyReused extends HttpApiError.Problem<IdempotencyKeyReused>()("IdempotencyKeyReused", {
  type: "/problems/idempotency-key-reused",
  status: 422,
  title: "This Idempotency-Key belongs to another request; use a new key"
}) {}

/** The first request with this key is still being worked on. */
export class RequestInFlight extends HttpApiError.Problem<RequestInFlight>()("RequestInFlight", {
  type: "/problems/request-in-flight",
  status: 409,
  title: "A request with this Idempotency-Key is being worked on; ask again shortly"
}, {
  retryAfterSeconds: Schema.Int
}) {}
