import { PrometheusMetrics } from "effect/observability"
import type { Layer } from "effect"
import type { HttpRouter } from "effect/http"

/** `GET /metrics`, the text that Prometheus scrapes: all metrics of this process. For the inside only, never behind a gateway. */
export const layer: Layer.Layer<never, never, HttpRouter.HttpRouter> = PrometheusMetrics.layerHttp()
