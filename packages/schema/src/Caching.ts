import { Context, Duration } from "effect"
import { HttpApiMiddleware, OpenApi } from "effect/http-api"
import { type JsonObject, objectAt } from "./Snapshots/Json.ts"

/** For how many seconds a successful answer may be kept; without it, it may not be kept at all. */
export class SharedFor extends Context.Service<SharedFor, number>()("@marketplace/schema/SharedFor") {}

/** Says in each answer what `SharedFor` says of its operation: `Cache-Control: public, max-age=10`. */
export class SharesAnswers extends HttpApiMiddleware.Service<SharesAnswers>()("@marketplace/schema/SharesAnswers") {}

/**
 * An operation whose successful answer is the same for everybody, and may be shown again for so long (RFC 9111). It is a GET
 * that anybody may call, in an API with `SharesAnswers`.
 */
export const sharedFor = (duration: Duration.Input): Context.Context<never> => {
  const seconds = Math.floor(Duration.toSeconds(Duration.fromInputUnsafe(duration)))
  return Context.add(OpenApi.annotations({ transform: documented(seconds) }), SharedFor, seconds)
}

const documented = (seconds: number) => (operation: JsonObject): JsonObject => {
  const headers: JsonObject = {
    "cache-control": { schema: { type: "string" }, description: `public, max-age=${seconds}: the same for everybody` },
    etag: { schema: { type: "string" }, description: "Names this content, for If-None-Match" },
    age: { schema: { type: "integer" }, description: "Seconds since the service was asked, if it was kept" }
  }
  const responses = objectAt(operation, "responses")
  return {
    ...operation,
    responses: {
      ...responses,
      200: { ...objectAt(responses, "200"), headers },
      304: { description: "It still has the content that If-None-Match names", headers }
    }
  }
}
