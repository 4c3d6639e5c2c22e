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
const services: ReadonlyArray<string> = ["service", "mail"]

/** The one that has all services in one process, and everything that is there to try them. */
const whole = "marketplace"

/** Modules that are one of several implementations of a port. */
const concrete = /(^|\/)([A-Z]\w*(Postgres|Kafka|Mongo|Redis|S3)|Upstreams\/\w+|PaymentGateway\/\w+)(\/|$)/

interface Package {
  /** Without the scope. */
  readonly name: string
  readonly folder: string
  readonly isService: boolean
  readonly dependencies: ReadonlySet<string>
  readonly devDependencies: ReadonlySet<string>
}

const scope = "@marketplace/"

const readPackage = ({ path, text }: File): Package => {
  const { dependencies = {}, devDependencies = {}, name } = JSON.parse(text)
  return {
    name: String(name).replace(scope, ""),
    folder: posix.dirname(path),
    isService: path.startsWith("services/"),
    dependencies: new Set(Object.keys(dependencies)),
    devDependencies: new Set(Object.keys(devDependencies))
  }
}

const below = (names: ReadonlyArray<string>): ReadonlySet<string> =>
  new Set(names.flatMap((name) => [name, ...below(buildsOn[name] ?? [])]))

/** The package of a specifier: `effect` of `effect/http`, `@effect/sql-pg` of itself. */
const packageOf = (specifier: string) => specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/")

/** Where imports may point; each rule is tried with a wrong import in `test/imports.test.ts`. */
export const check = (files: ReadonlyArray<File>): Findings => {
  const packages = files.filter(({ path }) => /^(domain|(packages|services)\/[^/]+)\/package\.json$/.test(path)).map(readPackage)
  const byName = new Map(packages.map((one) => [one.name, one]))
  const root = files.find(({ path }) => path === "package.json")
  const rootDev: ReadonlyArray<string> = root === undefined ? [] : Object.keys(JSON.parse(root.text).devDependencies ?? {})

  const unplaced = packages.filter(({ isService, name }) => !isService && buildsOn[name] === undefined).map(({ folder, name }) =>
    `${folder} has no place in the order of packages: say in infra/toolchain/check/imports.ts what "${name}" builds on`)

  const wrong = (own: Package, { path }: File, specifier: string): string | undefined => {
    const inTest = path.startsWith(`${own.folder}/test/`)
    const isWhole = own.name === whole
    const isEntry = own.isService && path === `${own.folder}/src/main.ts`
    const declared = inTest ? [...own.dependencies, ...own.devDependencies] : [...own.dependencies]
    const declare = (name: string) =>
      `${name} is not declared: add it to ${inTest ? "dependencies or devDependencies" : "dependencies"} of ${own.folder}/package.json`
    const free = inTest || isWhole || own.name === "testing"
    const named = specifier.replace(/\.ts$/, "").replace(new RegExp(`^${scope}[^/]+/`), "")
    const choosesImplementation = concrete.test(named) && !free && !isEntry && !concrete.test(path.replace(/\.ts$/, ""))
    const choice = "only a main.ts and services/marketplace choose an implementation: ask for the port and let main.ts provide it"

    if (specifier.startsWith("node:")) {
      return own.name === "domain" && !inTest ? "domain is pure and imports effect only: move what does I/O to a package" : undefined
    }
    if (specifier.startsWith(".")) {
      const target = posix.join(posix.dirname(path), specifier)
      if (target.startsWith("infra/local/") && free) return undefined
      // As a declared dependency it would close a circle: testing builds on the packages.
      if (target.startsWith("packages/testing/src/") && inTest && !own.isService) return undefined
      if (!target.startsWith(`${own.folder}/`)) return `a relative import stays in its package: import ${scope}<package>/<File> instead`
      if (!inTest && target.startsWith(`${own.folder}/test/`)) return "what runs does not import tests: move it to src or to packages/testing"
      return choosesImplementation ? choice : undefined
    }
    if (!specifier.startsWith(scope)) {
      const name = packageOf(specifier)
      if (own.name === "domain" && !inTest && specifier !== "effect") return "domain is pure and imports effect only: move this to a package"
      return declared.includes(name) || ((inTest || own.name === "testing") && rootDev.includes(name)) ? undefined : declare(name)
    }

    const target = byName.get(packageOf(specifier).slice(scope.length))
    if (target === undefined) return `there is no package ${packageOf(specifier)}`
    if (target === own) return choosesImplementation ? choice : undefined
    if (target.isService) {
      if (!isWhole) return "no service or package imports a service, only services/marketplace does: call it by RPC, or put what is shared in a package"
    } else if (target.name === "testing") {
      if (!inTest && !isWhole) return "testing is for tests and services/marketplace: product code does without it"
    } else if (target.name === "client") {
      if (!inTest && !isWhole) return "client is for people outside, tests and services/marketplace: services call each other by RPC (packages/service/src/Clients.ts)"
    } else if (!below(own.isService ? services : buildsOn[own.name] ?? []).has(target.name)) {
      return `${own.name} lies below ${target.name}; imports point one way (domain ← schema ← telemetry ← stores ← events ← service ← services): ` +
        "move what both need further down, or ask for it as a service"
    }
    if (choosesImplementation) return choice
    return declared.includes(packageOf(specifier)) ? undefined : declare(packageOf(specifier))
  }

  const problems = files.filter(({ path }) => path.endsWith(".ts")).flatMap((file) => {
    const own = packages.find(({ folder }) => file.path.startsWith(`${folder}/`))
    if (own === undefined) return []
    return importsOf(file).flatMap(({ line, specifier }) => {
      const why = wrong(own, file, specifier)
      return why === undefined ? [] : [`${file.path}:${line} imports "${specifier}": ${why}`]
    })
  })
  return { problems: [...unplaced, ...problems] }
}
