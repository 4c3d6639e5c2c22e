import { Effect } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { TraceStore } from "@marketplace/telemetry/TraceStore"

/** `GET /dev/traces/{traceId}`: the spans of a trace that this process remembers. Not for production: traces hold ids. */
export const traceRoutes = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const store = yield* TraceStore
  yield* router.add("GET", "/dev/traces/:traceId", Effect.gen(function*() {
    const { traceId = "" } = yield* HttpRouter.params
    return HttpServerResponse.jsonUnsafe(yield* store.trace(traceId))
  }))
}))
