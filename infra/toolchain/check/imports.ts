import { posix } from "node:path"
import type { Findings } from "./Findings.ts"
import type { File } from "./Repository.ts"
import { importsOf } from "./Source.ts"

/** What each package builds on; what those build on comes with it. Read it from the bottom: imports point one way. */
const buildsOn: Readonly<Record<string, ReadonlyArray<string>>> = {
  domain: [],
  schema: ["domain"],
  client: ["schema"],
  telemetry: ["schema"],
  postgres: ["telemetry"],
  mongo: ["telemetry"],
  redis: ["telemetry"],
  "object-storage": ["telemetry"],
  mail: ["telemetry"],
  events: ["postgres", "mongo", "redis", "object-storage"],
  service: ["events"],
  testing: ["service", "mail"]
}

/** What every service builds on. */
const services: ReadonlyArray<string> = ["service", "mail"]

/** The one that has all services in one process, and everything that is there to try them. */
const whole = "marketplace"

/** Modules that are one of several implementations of a port. */
const concrete = /(^|\/)([A-Z]\w*(Postgres|Kafka|Mongo|Redis|S3)|Upstreams\/\w+|PaymentGateway\/\w+)(\/|$)/

const rules = {
  pure: "domain is pure and imports effect only: move what needs more to a package",
  order: (own: string, other: string) =>
    `${own} lies below ${other}; imports point one way (domain ← schema ← telemetry ← stores ← events ← service ← services): ` +
    "move what both need further down, or ask for it as a service",
  service: "no service or package imports a service, only services/marketplace does: call it by RPC, or put what is shared in " +
    "a package",
  testing: "testing is for tests and services/marketplace: product code does without it",
  client: "client is for people outside, tests and services/marketplace: services call each other by RPC " +
    "(packages/service/src/Clients.ts)",
  choice: "only a main.ts and services/marketplace choose an implementation: ask for the port and let main.ts provide it",
  relative: "a relative import stays in its package: import @marketplace/<package>/<File> instead",
  test: "what runs does not import tests: move it to src or to packages/testing",
  nowhere: (name: string) => `there is no package ${name}`,
  declared: (name: string, where: string, folder: string) => `${name} is not declared: add it to ${where} of ${folder}/package.json`
}

interface Package {
  /** Without the scope. */
  readonly name: string
  readonly folder: string
  readonly isService: boolean
  readonly dependencies: ReadonlyArray<string>
  readonly devDependencies: ReadonlyArray<string>
}

const scope = "@marketplace/"

const readPackage = ({ path, text }: File): Package => {
  const { dependencies = {}, devDependencies = {}, name = "" } = JSON.parse(text)
  return {
    name: String(name).replace(scope, ""),
    folder: posix.dirname(path),
    isService: path.startsWith("services/"),
    dependencies: Object.keys(dependencies),
    devDependencies: Object.keys(devDependencies)
  }
}

const below = (names: ReadonlyArray<string>): ReadonlySet<string> =>
  new Set(names.flatMap((name) => [name, ...below(buildsOn[name] ?? [])]))

/** The package of a specifier: `effect` of `effect/http`, `@effect/sql-pg` of itself. */
const packageOf = (specifier: string) => specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/")

/** Who imports. */
interface Importer {
  readonly own: Package
  readonly path: string
  readonly inTest: boolean
  /** Tests, what helps them, and the whole marketplace try everything. */
  readonly isFree: boolean
}

/** The rule that an import from the own package or from a path breaks. */
const wrongPath = ({ inTest, isFree, own, path }: Importer, specifier: string): string | undefined => {
  const target = posix.join(posix.dirname(path), specifier)
  if (target.startsWith(`${own.folder}/`)) return !inTest && target.startsWith(`${own.folder}/test/`) ? rules.test : undefined
  if (isFree && target.startsWith("infra/")) return undefined
  // As a declared dependency it would close a circle: testing builds on the packages.
  if (inTest && !own.isService && target.startsWith("packages/testing/src/")) return undefined
  return rules.relative
}

/** The rule that an import of another of our packages breaks. */
const wrongPackage = ({ inTest, own }: Importer, target: Package): string | undefined => {
  const mayTry = inTest || own.name === whole
  if (target.isService) return own.name === whole ? undefined : rules.service
  if (target.name === "testing") return mayTry ? undefined : rules.testing
  if (target.name === "client") return mayTry ? undefined : rules.client
  const ground = below(own.isService ? services : buildsOn[own.name] ?? [])
  return ground.has(target.name) ? undefined : rules.order(own.name, target.name)
}

const choosesImplementation = ({ isFree, own, path }: Importer, specifier: string): boolean => {
  const mayChoose = isFree || (own.isService && path === `${own.folder}/src/main.ts`) || concrete.test(path.replace(/\.ts$/, ""))
  return !mayChoose && concrete.test(specifier.replace(/\.ts$/, "").replace(/^@marketplace\/[^/]+\//, ""))
}

/** Where imports may point; `test/imports.test.ts` tries each rule with a wrong import. */
export const check = (files: ReadonlyArray<File>): Findings => {
  const isPackage = /^(domain|(packages|services)\/[^/]+)\/package\.json$/
  const packages = files.filter(({ path }) => isPackage.test(path)).map(readPackage)
  const root = files.find(({ path }) => path === "package.json")
  const tools = root === undefined ? [] : readPackage(root).devDependencies

  const undeclared = ({ inTest, own }: Importer, name: string): string | undefined => {
    const declared = inTest ? [...own.dependencies, ...own.devDependencies] : own.dependencies
    const where = inTest ? "dependencies or devDependencies" : "dependencies"
    return declared.includes(name) ? undefined : rules.declared(name, where, own.folder)
  }

  const wrong = (importer: Importer, specifier: string): string | undefined => {
    const { inTest, own } = importer
    const isPure = own.name === "domain" && !inTest
    if (specifier.startsWith(".")) {
      return wrongPath(importer, specifier) ?? (choosesImplementation(importer, specifier) ? rules.choice : undefined)
    }
    if (specifier.startsWith("node:")) return isPure ? rules.pure : undefined
    const name = packageOf(specifier)
    if (!specifier.startsWith(scope)) {
      if (isPure && specifier !== "effect") return rules.pure
      return (inTest || own.name === "testing") && tools.includes(name) ? undefined : undeclared(importer, name)
    }
    const target = packages.find((one) => `${scope}${one.name}` === name)
    if (target === undefined) return rules.nowhere(name)
    return (target === own ? undefined : wrongPackage(importer, target)) ??
      (choosesImplementation(importer, specifier) ? rules.choice : undefined) ??
      (target === own ? undefined : undeclared(importer, name))
  }

  const unplaced = packages.filter(({ isService, name }) => !isService && buildsOn[name] === undefined).map(({ folder, name }) =>
    `${folder} has no place in the order of packages: say in infra/toolchain/check/imports.ts what "${name}" builds on`)

  const problems = files.filter(({ path }) => path.endsWith(".ts")).flatMap((file) => {
    const own = packages.find(({ folder }) => file.path.startsWith(`${folder}/`))
    if (own === undefined) return []
    const inTest = file.path.startsWith(`${own.folder}/test/`)
    const importer = { own, path: file.path, inTest, isFree: inTest || own.name === whole || own.name === "testing" }
    return importsOf(file).flatMap(({ line, specifier }) => {
      const why = wrong(importer, specifier)
      return why === undefined ? [] : [`${file.path}:${line} imports "${specifier}": ${why}`]
    })
  })
  return { problems: [...unplaced, ...problems] }
}
