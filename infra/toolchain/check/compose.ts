import { Ajv2020 } from "ajv/dist/2020.js"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { parse } from "yaml"
import { entries } from "../bundle.ts"
import { environmentOf } from "./dockerfile.ts"
import type { Findings } from "./Findings.ts"
import type { File } from "./Repository.ts"
import { settingsOf } from "./settings.ts"

/** As it is after the schema has accepted it, as far as this check reads it. */
interface Compose {
  readonly services: Readonly<Record<string, Service>>
  readonly networks?: Readonly<Record<string, unknown>>
  readonly volumes?: Readonly<Record<string, unknown>>
}
interface Service {
  readonly image?: string
  readonly build?: { readonly dockerfile?: string; readonly args?: Readonly<Record<string, string>> }
  readonly environment?: Readonly<Record<string, string | number | boolean | null>>
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly networks?: ReadonlyArray<string>
  readonly ports?: ReadonlyArray<string>
  readonly volumes?: ReadonlyArray<string>
}

/** compose-spec.json: of github.com/compose-spec/compose-go v2.16.2 (Apache-2.0), unchanged. */
const readSchema = () => JSON.parse(readFileSync(join(import.meta.dirname, "schema", "compose-spec.json"), "utf8"))

/** Set for the image, its guard or the OpenTelemetry exporter, which no service's own code reads. */
const notOurs = /^(?:DEPLOYMENT$|OTEL_)/

const here = new Set(["127.0.0.1", "localhost", "0.0.0.0", "::1"])

const placeholder = /\$\{(\w+)(?::?[-?+][^}]*)?\}/g

/** `host` of every URL and every `host:port` in the text; secrets in it are placeholders. */
export const hostsIn = (text: string): ReadonlyArray<string> => {
  const plain = text.replace(placeholder, "x")
  const urls = Array.from(plain.matchAll(/\b[a-z][a-z+]*:\/\/(?:[^\s/@]*@)?([\w.-]+)/gi), (match) => match[1] ?? "")
  const pairs = plain.split(",").flatMap((part) => /^\s*(?:\w+@)?([a-z][\w.-]*):\d+\s*$/i.exec(part)?.[1] ?? [])
  return [...urls, ...pairs]
}

const settings = (files: ReadonlyArray<File>, name: string, { build, environment = {} }: Service): ReadonlyArray<string> => {
  const program = build?.args?.["SERVICE"]
  const entry = program === undefined ? undefined : entries[program]
  if (entry === undefined) return build === undefined ? [] : [`${name}: build.args.SERVICE names nothing that infra/toolchain/bundle.ts bundles`]
  if (!files.some(({ path }) => path === entry)) return [`${name}: ${entry} does not exist`]
  const dockerfile = files.find(({ path }) => path === build?.dockerfile)
  const given = { ...environmentOf(dockerfile?.text ?? ""), ...environment }
  const { optional, required } = settingsOf(files, entry)
  return [
    ...[...required].filter((key) => given[key] === undefined).map((key) => `${name}: ${key} is not set, and ${entry} does not start without it`),
    ...Object.keys(environment).filter((key) => !required.has(key) && !optional.has(key) && !notOurs.test(key))
      .map((key) => `${name}: ${key} is set, and nothing that ${entry} uses reads it`)
  ]
}

const wiring = (files: ReadonlyArray<File>, compose: Compose, name: string, service: Service): ReadonlyArray<string> => {
  const networks = service.networks ?? ["default"]
  const reaches = (other: string) => (compose.services[other]?.networks ?? ["default"]).some((network) => networks.includes(network))
  const exists = (path: string) => files.some((file) => file.path === path || file.path.startsWith(`${path}/`))
  const hosts = Object.entries(service.environment ?? {}).flatMap(([key, value]) => hostsIn(String(value)).map((host) => [key, host] as const))
  return [
    ...hosts.flatMap(([key, host]) =>
      here.has(host) || (compose.services[host] !== undefined && reaches(host)) ? [] : [`${name}: ${key} names the host ${host}, which is no service on its networks`]),
    ...Object.keys(service.depends_on ?? {}).filter((other) => compose.services[other] === undefined).map((other) => `${name} depends on ${other}, which is not there`),
    ...(service.networks ?? []).filter((network) => compose.networks?.[network] === undefined).map((network) => `${name}: there is no network ${network}`),
    ...(service.volumes ?? []).map((volume) => volume.split(":")[0] ?? "").flatMap((source) =>
      source.startsWith("./")
        ? exists(source.slice(2)) ? [] : [`${name} mounts ${source}, which is not in the repository`]
        : compose.volumes?.[source] === undefined ? [`${name}: there is no volume ${source}`] : []),
    ...(service.ports ?? []).filter((port) => !port.startsWith("127.0.0.1:")).map((port) => `${name} publishes ${port} to everybody: begin with 127.0.0.1:`),
    ...(service.build === undefined && !/^[\w./-]+:v?\d+(?:\.\d+)+(?:-\w+)?$/.test(service.image ?? "")
      ? [`${name}: the image ${service.image} has no exact version`]
      : [])
  ]
}

/** docker-compose.yml: by the specification's schema, then whether each service gets what its code reads and reaches whom it names. */
export const check = (files: ReadonlyArray<File>): Findings => {
  const path = "docker-compose.yml"
  const file = files.find((one) => one.path === path)
  if (file === undefined) return { problems: [`${path} is not there`] }
  const compose: Compose = parse(file.text, { merge: true })
  const validate = new Ajv2020({ strict: false, validateFormats: false, allErrors: true }).compile(readSchema())
  if (!validate(compose)) {
    return { problems: (validate.errors ?? []).map(({ instancePath, message, params }) => `${path} ${instancePath}: ${message} ${JSON.stringify(params)}`) }
  }
  const documented = new Set(Array.from((files.find((one) => one.path === ".env.example")?.text ?? "").matchAll(/^(\w+)=/gm), (match) => match[1]))
  const used = new Set(Array.from(file.text.matchAll(placeholder), (match) => match[1]))
  return {
    problems: [
      ...[...used].filter((name) => !documented.has(name)).map((name) => `${path} uses \${${name}}, which .env.example does not explain`),
      ...[...documented].filter((name) => !used.has(name)).map((name) => `.env.example explains ${name}, which ${path} does not use`),
      ...Object.entries(compose.services).flatMap(([name, service]) =>
        [...settings(files, name, service), ...wiring(files, compose, name, service)].map((problem) => `${path} ${problem}`))
    ]
  }
}
