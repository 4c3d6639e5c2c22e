import { type Config, Layer } from "effect"
import type { HttpRouter } from "effect/http"
import * as Server from "@marketplace/service/Server"
import * as HttpMetrics from "@marketplace/telemetry/HttpMetrics"
import * as Documents from "./Documents.ts"
import * as Edge from "./Edge.ts"
import { Http } from "./Http.ts"
import * as Problems from "./Problems.ts"
import { Settings } from "./Settings.ts"
import * as Tracing from "./Tracing.ts"

/** Everything that people outside can reach. */
export const routes = Layer.mergeAll(Http, Documents.layer, Problems.pages).pipe(
  Layer.provide(HttpMetrics.layer),
  Layer.provideMerge(Edge.layer),
  Layer.provide(Settings.layer)
)

/**
 * The gateway on a socket, with `/health/…`. It asks for `Upstreams`, for `Callers` and for `Health`.
 *
 * @param more what else is served, on an installation for development
 */
export const serve = <E = never, R = HttpRouter.HttpRouter>(
  options: { readonly port: Config.Config<number>; readonly host?: Config.Config<string> },
  more: Layer.Layer<never, E, R>
) => Server.serve(Layer.merge(routes, more), { service: "gateway", ...options }).pipe(Layer.provide(Tracing.layer))
