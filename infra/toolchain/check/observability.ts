import { parse } from "yaml"
import * as Names from "../../../packages/telemetry/src/Names.ts"
import { hostsIn } from "./compose.ts"
import type { Findings } from "./Findings.ts"
import type { File } from "./Repository.ts"

const folder = "infra/observability"

/** PromQL's own words. */
const words = new Set<string>([
  "sum", "max", "min", "avg", "count", "topk", "rate", "increase", "histogram_quantile", "time", "by", "without", "or", "and", "unless",
  "le", "job", ...Object.values(Names.Label)
])

const known = new Set(Object.values(Names.Metric).flatMap((name) => [name, ...["bucket", "count", "sum"].map((part) => `${name}_${part}`)]))

/** The metrics that an expression reads. */
const metricsIn = (expression: string): ReadonlyArray<string> =>
  (expression.replace(/"[^"]*"/g, "").replace(/\[[^\]]*\]/g, "").match(/[a-z_][a-z0-9_]*/g) ?? []).filter((word) => !words.has(word))

const expressionsIn = (value: unknown): ReadonlyArray<string> => {
  if (typeof value !== "object" || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => key === "expr" && typeof inner === "string" ? [inner] : expressionsIn(inner))
}

interface Collector {
  readonly service: { readonly pipelines: Readonly<Record<string, Readonly<Record<"receivers" | "processors" | "exporters", ReadonlyArray<string>>>>> }
  readonly [kind: string]: unknown
}

const pipelines = (path: string, collector: Collector): ReadonlyArray<string> =>
  Object.entries(collector.service.pipelines).flatMap(([pipeline, parts]) =>
    Object.entries(parts).flatMap(([kind, names]) =>
      names.filter((name) => typeof collector[kind] !== "object" || collector[kind] === null || !(name in collector[kind]))
        .map((name) => `${path}: the pipeline ${pipeline} uses ${name}, which is not among its ${kind}`)))

/** Collector, Prometheus and Grafana: whom they ask is in the compose file, and what they show is something that we tell. */
export const check = (files: ReadonlyArray<File>): Findings => {
  const own = files.filter(({ path }) => path.startsWith(`${folder}/`))
  const compose = files.find(({ path }) => path === "docker-compose.yml")
  const services: Readonly<Record<string, unknown>> = compose === undefined ? {} : parse(compose.text, { merge: true }).services
  return {
    problems: own.flatMap(({ path, text }) => {
      const hosts = Array.from(text.matchAll(/(?:url|endpoint): *(\S+)|"([\w.-]+:\d+)"/g), (match) => match[1] ?? match[2] ?? "").flatMap(hostsIn)
      const unknownHosts = hosts.filter((host) => services[host] === undefined && host !== "0.0.0.0")
        .map((host) => `${path} names the host ${host}, which docker-compose.yml does not have`)
      if (path.endsWith("collector.yaml")) return [...unknownHosts, ...pipelines(path, parse(text))]
      if (!path.endsWith(".json")) return unknownHosts
      return expressionsIn(JSON.parse(text)).flatMap(metricsIn).filter((name) => !known.has(name))
        .map((name) => `${path} shows ${name}, which packages/telemetry/src/Names.ts does not name`)
    })
  }
}
