import { Ajv2020 } from "ajv/dist/2020.js"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { parse } from "yaml"
import { entries } from "../bundle.ts"
import { environmentOf } from "./dockerfile.ts"
import type { Findings } from "./Findings.ts"
import type { File } from "./Repository.ts"
import { settingsOf } from "./settings.ts"

/** As far as this check reads it, once the schema has accepted it. */
interface Compose {
  readonly services: Readonly<Record<string, Service>>
  readonly networks?: Readonly<Record<string, unknown>>
  readonly volumes?: Readonly<Record<string, unknown>>
}

interface Service {
  readonly image?: string
  readonly build?: { readonly dockerfile?: string; readonly args?: Readonly<Record<string, string>> }
  readonly environment?: Readonly<Record<string, string | number | boolean | null>>
  readonly depends_on?: Readonly<Record<string, unknown>>
  readonly networks?: ReadonlyArray<string>
  readonly ports?: ReadonlyArray<string>
  readonly volumes?: ReadonlyArray<string>
}

/** Of github.com/compose-spec/compose-go v2.16.2 (Apache-2.0), unchanged. */
const readSchema = () => JSON.parse(readFileSync(join(import.meta.dirname, "schema", "compose-spec.json"), "utf8"))

/** Read by the image's guard or by the OpenTelemetry exporter, not by a service's own code. */
const readElsewhere = /^(?:DEPLOYMENT$|OTEL_)/

/** What a program makes itself out of its other settings. */
const ownMaking: Readonly<Record<string, ReadonlyArray<string>>> = {
  // The logins of the services whose stores it fills.
  migrate: ["DATABASE_URL"]
}

const loopback = new Set(["127.0.0.1", "localhost", "0.0.0.0"])

const placeholder = /\$\{(\w+)(?::?[-?+][^}]*)?\}/g

const exactVersion = /^[\w./-]+:v?\d+(?:\.\d+)+(?:-\w+)?$/

/** The hosts of all URLs in the text and of a list of `host:port`. */
export const hostsIn = (text: string): ReadonlyArray<string> => {
  const plain = text.replace(placeholder, "x")
  const urls = Array.from(plain.matchAll(/\b[a-z][a-z+]*:\/\/(?:[^\s/@]*@)?([\w.-]+)/gi), (match) => match[1] ?? "")
  const pairs = plain.split(",").flatMap((part) => /^\s*([a-z][\w.-]*):\d+\s*$/i.exec(part)?.[1] ?? [])
  return [...urls, ...pairs]
}

/** Whether a service of ours is given what its code reads, and nothing else. */
const settings = (files: ReadonlyArray<File>, { build, environment = {} }: Service): ReadonlyArray<string> => {
  if (build === undefined) return []
  const program = build.args?.["SERVICE"] ?? ""
  const entry = entries[program]
  if (entry === undefined) return ["build.args.SERVICE names nothing that infra/toolchain/bundle.ts bundles"]
  if (!files.some(({ path }) => path === entry)) return [`${entry} does not exist`]
  const dockerfile = files.find(({ path }) => path === build.dockerfile)
  const given = { ...environmentOf(dockerfile?.text ?? ""), ...environment }
  const { optional, required } = settingsOf(files, entry)
  const isRead = (name: string) => required.has(name) || optional.has(name) || readElsewhere.test(name)
  const missing = [...required].filter((name) => given[name] === undefined && !ownMaking[program]?.includes(name))
  const idle = Object.keys(environment).filter((name) => !isRead(name))
  return [
    ...missing.map((name) => `${name} is not set, and ${entry} does not start without it`),
    ...idle.map((name) => `${name} is set, and nothing that ${entry} uses reads it`)
  ]
}

/** Whether the hosts that its environment names are services on its networks. */
const hosts = ({ services }: Compose, { environment = {}, networks = ["default"] }: Service): ReadonlyArray<string> => {
  const networksOf = (host: string) => host in services ? services[host]?.networks ?? ["default"] : []
  const isReached = (host: string) => loopback.has(host) || networksOf(host).some((network) => networks.includes(network))
  return Object.entries(environment).flatMap(([name, value]) =>
    hostsIn(String(value)).filter((host) => !isReached(host)).map((host) =>
      `${name} names the host ${host}, which is no service on its networks`))
}

/** Whether what it names elsewhere is there, fixed and closed to others. */
const references = (files: ReadonlyArray<File>, compose: Compose, service: Service): ReadonlyArray<string> => {
  const exists = (path: string) => files.some((file) => file.path === path || file.path.startsWith(`${path}/`))
  const { build, depends_on = {}, image = "", networks = [], ports = [], volumes = [] } = service
  const isMountable = (source: string) => source.startsWith("./") ? exists(source.slice(2)) : source in (compose.volumes ?? {})
  const absent = [
    ...Object.keys(depends_on).filter((other) => !(other in compose.services)).map((other) => `depends on ${other}`),
    ...networks.filter((network) => !(network in (compose.networks ?? {}))).map((network) => `uses the network ${network}`),
    ...volumes.map((volume) => volume.split(":")[0] ?? "").filter((source) => !isMountable(source)).map((source) => `mounts ${source}`)
  ]
  const open = ports.filter((port) => !port.startsWith("127.0.0.1:"))
  return [
    ...absent.map((what) => `${what}, which is not there`),
    ...open.map((port) => `publishes ${port} to everybody: begin with 127.0.0.1:`),
    ...(build === undefined && !exactVersion.test(image) ? [`takes the image ${image}, which has no exact version`] : [])
  ]
}

/** Whether .env.example explains what the compose file takes from the environment. */
const explained = (used: string, example: string): ReadonlyArray<string> => {
  const documented = new Set(Array.from(example.matchAll(/^(\w+)=/gm), (match) => match[1]))
  const names = new Set(Array.from(used.matchAll(placeholder), (match) => match[1]))
  return [
    ...[...names.difference(documented)].map((name) => `uses \${${name}}, which .env.example does not explain`),
    ...[...documented.difference(names)].map((name) => `does not use ${name}, which .env.example explains`)
  ]
}

/**
 * docker-compose.yml: by the specification's schema; then whether each service gets what its code reads and reaches whom it
 * names.
 */
export const check = (files: ReadonlyArray<File>): Findings => {
  const path = "docker-compose.yml"
  const textOf = (name: string) => files.find((one) => one.path === name)?.text ?? ""
  const compose: Compose = parse(textOf(path), { merge: true })
  const validate = new Ajv2020({ strict: false, validateFormats: false, allErrors: true }).compile(readSchema())
  if (!validate(compose)) {
    const errors = validate.errors ?? []
    return { problems: errors.map((error) => `${path} ${error.instancePath}: ${error.message} ${JSON.stringify(error.params)}`) }
  }
  const wrong = Object.entries(compose.services).flatMap(([name, service]) => {
    const reasons = [...settings(files, service), ...hosts(compose, service), ...references(files, compose, service)]
    return reasons.map((why) => `${name}: ${why}`)
  })
  return { problems: [...explained(textOf(path), textOf(".env.example")), ...wrong].map((why) => `${path} ${why}`) }
}
