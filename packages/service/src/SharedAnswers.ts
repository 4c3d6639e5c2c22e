import { Context, Effect, Layer } from "effect"
import { HttpServerResponse } from "effect/http"
import { SharedFor, SharesAnswers } from "@marketplace/schema/Caching"

/** Has successful answers say for how long others may see them. Everything else is left to `Server`: `no-store`. */
export const layer = Layer.succeed(SharesAnswers, (answering, { endpoint }) => {
  const seconds = Context.getOrUndefined(endpoint.annotations, SharedFor)
  if (seconds === undefined) return answering
  const share = HttpServerResponse.setHeader("cache-control", `public, max-age=${seconds}`)
  return Effect.map(answering, (response) =>
    response.status === 200 && response.headers["cache-control"] === undefined ? share(response) : response)
})
