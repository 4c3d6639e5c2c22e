import { Effect, SchemaIssue } from "effect"
import { HttpApiMiddleware } from "effect/http-api"
import { InvalidRequest, ValidatesRequests } from "@marketplace/schema/Problems"

const format = SchemaIssue.makeFormatterStandardSchemaV1()

/** A caller that sends worse has not read the contract; the answer stays smaller than the request. */
const mostOffences = 100

/**
 * Turns what a request fails to decode into a problem that names every offence of the part it was found in: path, headers,
 * query and body are looked at in this order, and the first bad part is told. A bad answer of ours stays a defect.
 */
export const layer = HttpApiMiddleware.layerSchemaErrorTransform(ValidatesRequests, (error) => {
  const place = placeOf(error.kind)
  if (place === undefined) return Effect.fail(error)
  return new InvalidRequest({
    errors: format(error.cause.issue).issues.slice(0, mostOffences).map(({ message, path = [] }) => ({
      in: place,
      pointer: path.map((segment) => "/" + escape(typeof segment === "object" ? segment.key : segment)).join(""),
      detail: message
    }))
  })
})

const placeOf = (kind: "Params" | "Headers" | "Query" | "Body" | "Payload" | "ResponseHeaders") => {
  switch (kind) {
    case "Payload":
      return "body"
    case "Params":
      return "path"
    case "Query":
      return "query"
    case "Headers":
      return "header"
    case "Body":
    case "ResponseHeaders":
      return undefined
  }
}

/** RFC 6901, section 3. */
const escape = (segment: PropertyKey) => String(segment).replaceAll("~", "~0").replaceAll("/", "~1")
