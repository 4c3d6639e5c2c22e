import { Clock, Context, Effect, Exit, Layer, Metric } from "effect"
import { HttpRouter, HttpServerError, HttpServerRequest, type HttpServerResponse } from "effect/http"
import * as Metrics from "./Metrics.ts"

/**
 * Measures every request to the routes to which it is provided, under their templates; Effect's server counts nothing by
 * itself. Requests that no route answers are not seen. A failure that outer middleware turns into an answer counts with the
 * status that Effect would give it.
 */
// Fresh, because it is built in the name of the service to which it is provided.
export const layer = Layer.fresh(HttpRouter.middleware(Effect.map(Metric.CurrentMetricAttributes, (attributes) => {
  const seriesOf = Metrics.httpServer(attributes)
  return (handler) =>
    Effect.withFiber(({ context }) => {
      const { method } = Context.getUnsafe(context, HttpServerRequest.HttpServerRequest)
      const { route } = Context.getUnsafe(context, HttpRouter.RouteContext)
      const clock = Context.get(context, Clock.Clock)
      const start = clock.currentTimeNanosUnsafe()
      const record = ({ status }: HttpServerResponse.HttpServerResponse) =>
        Metric.update(seriesOf(method, route.path, status), Number(clock.currentTimeNanosUnsafe() - start) / 1e9)
      return Effect.onExit(handler, (exit) =>
        Exit.isSuccess(exit)
          ? record(exit.value)
          : Effect.flatMap(HttpServerError.causeResponse(exit.cause), ([response]) => record(response)))
    })
})).layer)
