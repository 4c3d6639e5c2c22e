import { parse } from "yaml"
import { Label, Metric } from "../../../packages/telemetry/src/Names.ts"
import { hostsIn } from "./compose.ts"
import type { Findings } from "./Findings.ts"
import type { File } from "./Repository.ts"

/** PromQL's own words, as far as the dashboards use them, and labels. */
const words = new Set<string>([
  ..."sum max min avg count topk rate increase histogram_quantile time by without or and unless".split(" "),
  ...["le", "job", "instance"],
  ...Object.values(Label)
])

const metrics = new Set(Object.values(Metric).flatMap((name) => [name, `${name}_bucket`, `${name}_count`, `${name}_sum`]))

/** The metrics that an expression reads. */
const metricsIn = (expression: string): ReadonlyArray<string> => {
  const bare = expression.replace(/"[^"]*"/g, "").replace(/\[[^\]]*\]/g, "")
  return (bare.match(/[a-z_][a-z0-9_]*/g) ?? []).filter((word) => !words.has(word))
}

/** Every `expr`, however deep. */
const expressionsIn = (value: unknown): ReadonlyArray<string> =>
  typeof value !== "object" || value === null
    ? []
    : Object.entries(value).flatMap(([key, inner]) =>
      key === "expr" && typeof inner === "string" ? [inner] : expressionsIn(inner))

interface Collector {
  readonly service: { readonly pipelines: Readonly<Record<string, Readonly<Record<string, ReadonlyArray<string>>>>> }
  /** Receivers, processors and exporters. */
  readonly [kind: string]: object
}

const pipelines = (collector: Collector): ReadonlyArray<string> =>
  Object.entries(collector.service.pipelines).flatMap(([pipeline, kinds]) =>
    Object.entries(kinds).flatMap(([kind, names]) =>
      names.filter((name) => !(name in (collector[kind] ?? {}))).map((name) =>
        `has a pipeline ${pipeline} with ${name}, which is not among its ${kind}`)))

/** Collector, Prometheus and Grafana: whom they ask is in the compose file, and what they show is something that we tell. */
export const check = (files: ReadonlyArray<File>): Findings => {
  const compose = files.find(({ path }) => path === "docker-compose.yml")
  const services: object = parse(compose?.text ?? "", { merge: true })?.services ?? {}
  const hosts = (text: string) =>
    Array.from(text.matchAll(/(?:url|endpoint): *(\S+)|"([\w.-]+:\d+)"/g), (match) => match[1] ?? match[2] ?? "").flatMap(hostsIn)

  const problemsOf = ({ path, text }: File): ReadonlyArray<string> => [
    ...hosts(text).filter((host) => host !== "0.0.0.0" && !(host in services)).map((host) =>
      `names the host ${host}, which docker-compose.yml does not have`),
    ...(path.endsWith("/collector.yaml") ? pipelines(parse(text)) : []),
    ...(path.endsWith(".json") ? expressionsIn(JSON.parse(text)).flatMap(metricsIn) : []).filter((name) => !metrics.has(name))
      .map((name) => `shows ${name}, which packages/telemetry/src/Names.ts does not name`)
  ]
  return {
    problems: files.filter(({ path }) => path.startsWith("infra/observability/")).flatMap((file) =>
      problemsOf(file).map((problem) => `${file.path} ${problem}`))
  }
}
