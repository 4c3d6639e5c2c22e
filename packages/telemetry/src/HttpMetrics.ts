import { Effect, Exit, Layer, Metric } from "effect"
import { HttpRouter, HttpServerError, HttpServerRequest } from "effect/http"
import * as Metrics from "./Metrics.ts"

/**
 * Measures every request to the routes to which it is provided, under their templates; Effect's server counts nothing by
 * itself. Requests that no route answers are not seen. A failure that outer middleware turns into an answer counts with the
 * status that Effect would give it.
 */
// Fresh, because it is built in the name of the service to which it is provided.
export const layer = Layer.fresh(HttpRouter.middleware(Effect.map(Metric.CurrentMetricAttributes, (attributes) => (handler) =>
  Effect.gen(function*() {
    const { method } = yield* HttpServerRequest.HttpServerRequest
    const { route } = yield* HttpRouter.RouteContext
    const start = yield* Effect.clockWith((clock) => clock.currentTimeNanos)
    return yield* Effect.onExit(handler, Effect.fnUntraced(function*(exit) {
      const end = yield* Effect.clockWith((clock) => clock.currentTimeNanos)
      const [{ status }] = Exit.isSuccess(exit) ? [exit.value] : yield* HttpServerError.causeResponse(exit.cause)
      const series = Metrics.httpServer(method, route.path, status).pipe(Metric.withAttributes(attributes))
      yield* Metric.update(series, Number(end - start) / 1e9)
    }))
  }))).layer)
