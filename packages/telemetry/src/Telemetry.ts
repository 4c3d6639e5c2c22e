import { Config, ConfigProvider, Duration, Effect, Layer, Logger, LogLevel, Metric, Option, Random, References } from "effect"
import { Schema, Tracer } from "effect"
import { SecureRandom } from "effect/crypto"
import { FetchHttpClient, HttpClient, HttpClientError, UrlParams } from "effect/http"
import { Otlp, OtlpSerialization } from "effect/observability"
import { isatty } from "node:tty"
import * as Logging from "./Logging.ts"
import { Label, Service } from "./Names.ts"
import * as Redaction from "./Redaction.ts"

/** In any case, as operators write it. */
const logLevel = Config.String("LOG_LEVEL").pipe(
  Config.flatMap((given) => {
    const level = LogLevel.values.find((one) => one.toLowerCase() === given.toLowerCase())
    return level === undefined ? Config.LogLevel("LOG_LEVEL") : Config.succeed(level)
  }),
  Config.withDefault("Info")
)

const logging = (service: string) =>
  Layer.unwrap(Effect.gen(function*() {
    const terminal = isatty(1)
    const format = yield* Config.Literals(["json", "pretty"], "LOG_FORMAT").pipe(Config.withDefault(terminal ? "pretty" : "json"))
    return Layer.mergeAll(
      Logger.layer([format === "json" ? Logging.json(service) : Logging.pretty(service, terminal)]),
      Layer.succeed(References.MinimumLogLevel, yield* logLevel)
    )
  }))

/** Without a limit, a collector that accepts and says nothing would hold the exports and all that they carry. */
const client = (timeout: Duration.Duration) =>
  Layer.effect(HttpClient.HttpClient, Effect.map(HttpClient.HttpClient, HttpClient.transform((response, request) =>
    Effect.timeoutOrElse(response, {
      duration: timeout,
      orElse: () => new HttpClientError.HttpClientError({
        reason: new HttpClientError.TransportError({ request, description: "no answer in time" })
      })
    })))).pipe(Layer.provide(FetchHttpClient.layer))

/** What leaves the process passes `Redaction`. */
const redacted = Layer.effect(OtlpSerialization.OtlpSerialization, Effect.map(OtlpSerialization.OtlpSerialization, (inner) => ({
  ...inner,
  traces: (data) => inner.traces(Redaction.message(data)),
  logs: (data) => inner.logs(Redaction.message(data))
})))

const resourceAttributes = Config.Record(Schema.String, Schema.StringFromUriComponent, "OTEL_RESOURCE_ATTRIBUTES").pipe(
  Config.withDefault(undefined)
)
type Resource = Config.Success<typeof resourceAttributes>

/** Effect exports a signal only if its variable says so; here an endpoint is enough, and `none` still switches one off. */
const exporters = ConfigProvider.layerAdd(ConfigProvider.fromEnv({
  env: { OTEL_TRACES_EXPORTER: "otlp", OTEL_METRICS_EXPORTER: "otlp", OTEL_LOGS_EXPORTER: "otlp" }
}))

const exporting = (service: string, resource: Resource) =>
  Layer.unwrap(Effect.gen(function*() {
    const protocol = yield* Config.Literals(["http/protobuf", "http/json"], "OTEL_EXPORTER_OTLP_PROTOCOL").pipe(
      Config.withDefault("http/protobuf")
    )
    const timeout = yield* Config.Int("OTEL_EXPORTER_OTLP_TIMEOUT").pipe(Config.withDefault(10_000))
    const random = yield* SecureRandom.SecureRandom
    const instanceId = resource?.[Service.instanceId] ?? (yield* random.uuidV4())
    return Otlp.layerFromConfig({ resource: { serviceName: service, attributes: { [Service.instanceId]: instanceId } } }).pipe(
      Layer.provide(redacted.pipe(
        Layer.provide(protocol === "http/json" ? OtlpSerialization.layerJson : OtlpSerialization.layerProtobuf)
      )),
      Layer.provide(client(Duration.millis(timeout))),
      Layer.provide(exporters)
    )
  })).pipe(Layer.provide(SecureRandom.layerWebCrypto))

/** Decides for a whole trace where it begins; whoever continues it follows. */
const sampling = Layer.unwrap(Effect.gen(function*() {
  const ratio = yield* Config.schema(
    Schema.FiniteFromString.check(Schema.isBetween({ minimum: 0, maximum: 1 })),
    "OTEL_TRACES_SAMPLER_ARG"
  ).pipe(Config.withDefault(1))
  if (ratio === 1) return Layer.empty
  const tracer = yield* Tracer.Tracer
  const random = yield* Random.Random
  return Layer.succeed(Tracer.Tracer, Tracer.make({
    ...tracer,
    span: (options) =>
      tracer.span(
        Option.isNone(options.parent) && random.nextDoubleUnsafe() >= ratio ? { ...options, sampled: false } : options
      )
  }))
}))

/**
 * Logs, traces and metrics of one process; provide it outermost. Built without any setting it writes logs and exports
 * nothing.
 *
 * * `LOG_FORMAT`: `json` (one object per line) or `pretty`; by default `pretty` on a terminal and `json` elsewhere.
 * * `LOG_LEVEL`: `info` if not set.
 * * `OTEL_EXPORTER_OTLP_ENDPOINT`: where traces, metrics and logs go; `OTEL_EXPORTER_OTLP_PROTOCOL` is `http/protobuf`
 *   (default) or `http/json`. The other variables of OpenTelemetry hold: `…_HEADERS`, `…_TIMEOUT`, `…_COMPRESSION`, one
 *   endpoint per signal, `OTEL_{TRACES,METRICS,LOGS}_EXPORTER=none`, `OTEL_SDK_DISABLED`, `OTEL_BSP_*`.
 * * `OTEL_SERVICE_NAME` instead of `service`, `OTEL_SERVICE_VERSION`, `OTEL_RESOURCE_ATTRIBUTES`.
 * * `OTEL_TRACES_SAMPLER_ARG`: the share of traces that is recorded, 0 to 1. The sampler is `parentbased_traceidratio`; it
 *   holds for `TraceStore.layerTracer`, too.
 */
export const layerConfig = (service: string): Layer.Layer<never, Config.ConfigError> =>
  Layer.unwrap(Effect.gen(function*() {
    const resource = yield* resourceAttributes
    const name = yield* Config.String("OTEL_SERVICE_NAME").pipe(Config.withDefault(resource?.[Service.name] ?? service))
    return sampling.pipe(
      Layer.provideMerge(exporting(name, resource)),
      Layer.provideMerge(logging(name)),
      Layer.provideMerge(Layer.succeed(UrlParams.CurrentRedactedNames, Redaction.queryParameters))
    )
  }))

/**
 * For one of several services in one process: what the layers to which this is provided do shows its name, in logs
 * (`service`), spans (`service.name`) and metrics (label `service`). Handlers of an `HttpApi` or an `RpcGroup` keep it; a bare
 * `HttpRouter` route and the span of the request itself belong to the process.
 */
export const layerService = (service: string): Layer.Layer<never> =>
  Layer.mergeAll(
    Layer.succeed(References.CurrentLogAnnotations, { [Service.name]: service }),
    Layer.succeed(References.TracerSpanAnnotations, { [Service.name]: service }),
    Layer.succeed(Metric.CurrentMetricAttributes, { [Label.service]: service })
  )
