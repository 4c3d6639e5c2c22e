import { Cause, Context, Effect, Option, Schema, Tracer } from "effect"
import {
  HttpBody,
  HttpServerError,
  HttpServerRequest,
  HttpServerRespondable,
  HttpServerResponse,
  ProblemDetails
} from "effect/http"
import { SqlError } from "effect/sql"
import { isUnavailable } from "@marketplace/postgres/Database"
import { Unavailable } from "@marketplace/schema/Problems"
import type { AllowedMethods } from "./AllowedMethods.ts"
import { korean, ofStatus } from "./ProblemTitles.ts"

/**
 * Makes every failed answer a full problem document (RFC 9457): what operations declare, what the router and the decoders
 * refuse, and defects. Adds `instance` and `traceId`, a Korean title where the caller prefers one, `Retry-After` from a
 * member `retryAfterSeconds`, and `Allow` to a 405. The cause of a defect is logged with the trace id and never shown.
 * A database that is away is a 503, whoever left its error unhandled. Successes pass untouched, and so do failures with a
 * body of another kind (health reports) and documents that another layer or process has completed.
 */
export const complete = (allowed: AllowedMethods) => <E, R>(app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
  Effect.withFiber<HttpServerResponse.HttpServerResponse, E, R>((fiber) => {
    // The router changes the context on its way down.
    const { context } = fiber
    return Effect.matchCauseEffect(app, {
      onSuccess: (response) => response.status < 400 ? Effect.succeed(response) : fill(context, response),
      onFailure: (cause) => recover(context, allowed, cause)
    })
  })

/** Effect's status for a caller that has gone: nobody reads an answer. */
const clientClosedRequest = 499

const recover = Effect.fnUntraced(function*<E>(context: Context.Context<never>, allowed: AllowedMethods, cause: Cause.Cause<E>) {
  const request = requestOf(context)
  const [response] = yield* HttpServerError.causeResponse(cause)
  if (response.status === clientClosedRequest) return yield* Effect.failCause(cause)
  if (response.status < 500) {
    const methods = response.status === 404 ? allowed.of(request.url) : []
    return yield* fill(
      context,
      methods.length === 0 ? response : HttpServerResponse.empty({ status: 405, headers: { allow: methods.join(", ") } })
    )
  }
  const traceId = yield* traceIdOf(context)
  const forAMoment = response.status === 503 || cause.reasons.some(isDatabaseAway)
  yield* Effect.annotateLogs(
    forAMoment ? Effect.logWarning("A request could not be answered now", cause) : Effect.logError("A request failed", cause),
    { traceId, method: request.method, path: pathOf(request) }
  )
  return yield* fill(
    context,
    forAMoment ? yield* HttpServerRespondable.toResponse(new Unavailable({ retryAfterSeconds: 1 })) : response,
    traceId
  )
})

const isDatabaseAway = (reason: Cause.Reason<unknown>) => {
  const error = Cause.isFailReason(reason) ? reason.error : Cause.isDieReason(reason) ? reason.defect : undefined
  return SqlError.isSqlError(error) && isUnavailable(error)
}

const fill = Effect.fnUntraced(function*(
  context: Context.Context<never>,
  response: HttpServerResponse.HttpServerResponse,
  traceId?: string
) {
  const told = membersOf(response.body)
  if (told === undefined || told.traceId !== undefined) return response
  const request = requestOf(context)
  const problem = { ...ofStatus(response.status), ...told }
  const translated = prefersKorean(request.headers["accept-language"]) ? korean[problem.type] : undefined
  const document = {
    ...problem,
    title: translated ?? problem.title,
    status: response.status,
    instance: pathOf(request),
    traceId: traceId ?? (yield* traceIdOf(context))
  }
  const headers = {
    "content-language": translated === undefined ? "en" : "ko",
    ...(told.retryAfterSeconds === undefined ? {} : { "retry-after": String(told.retryAfterSeconds) }),
    ...(response.status === 401 ? { "www-authenticate": "Bearer" } : {}),
    ...response.headers
  }
  return HttpServerResponse.setHeaders(response, headers).pipe(
    HttpServerResponse.setBody(HttpBody.jsonUnsafe(document, ProblemDetails.contentType))
  )
})

interface Members {
  readonly type?: string
  readonly title?: string
  readonly detail?: string
  readonly traceId?: string
  readonly retryAfterSeconds?: number
}

const parse = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.StructWithRest(
  Schema.Struct({
    type: Schema.optionalKey(Schema.String),
    title: Schema.optionalKey(Schema.String),
    detail: Schema.optionalKey(Schema.String),
    traceId: Schema.optionalKey(Schema.String),
    retryAfterSeconds: Schema.optionalKey(Schema.Int)
  }),
  [Schema.Record(Schema.String, Schema.Unknown)]
)))

/** What the answer tells by itself; undefined if it is of another kind. */
const membersOf = (body: HttpBody.HttpBody): Members | undefined => {
  switch (body._tag) {
    case "Empty":
      return {}
    case "Uint8Array": {
      const text = body.text ?? new TextDecoder().decode(body.body)
      if (body.contentType.startsWith(ProblemDetails.contentType)) return Option.getOrElse(parse(text), () => ({}))
      return body.contentType.startsWith("text/plain") ? { detail: text } : undefined
    }
    default:
      return undefined
  }
}

const requestOf = (context: Context.Context<never>): HttpServerRequest.HttpServerRequest =>
  Context.getUnsafe(context, HttpServerRequest.HttpServerRequest)

/** A query may hold what nobody should read in a log. */
const pathOf = (request: HttpServerRequest.HttpServerRequest): string => request.url.replace(/[?#].*$/s, "")

/** Where requests are not traced, a fresh id still ties the answer to the log line. */
const traceIdOf = (context: Context.Context<never>): Effect.Effect<string> => {
  const span = Context.getOrUndefined(context, Tracer.ParentSpan)
  return span === undefined ? Effect.map(Effect.makeSpan("problem"), ({ traceId }) => traceId) : Effect.succeed(span.traceId)
}

/** RFC 9110, 12.5.4: the language with the highest weight; the first named among equals. */
const prefersKorean = (acceptLanguage: string | undefined): boolean => {
  const weightOf = (language: string) =>
    Math.max(0, ...(acceptLanguage ?? "").toLowerCase().split(",").map((range, position) => {
      const [tag = "", ...parameters] = range.split(";").map((part) => part.trim())
      const weight = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2) ?? "1"
      return tag === language || tag.startsWith(`${language}-`) ? Number(weight) - position / 1000 : 0
    }))
  return weightOf("ko") > weightOf("en")
}
