import { posix } from "node:path"
import type { File } from "./Repository.ts"
import { isNode, type Node, parse, textOf, walk } from "./Source.ts"

/** The environment variables that a program reads. */
export interface Settings {
  /** Those without which it does not start. */
  readonly required: ReadonlySet<string>
  /** Those that have a default. */
  readonly optional: ReadonlySet<string>
}

/** What is at the top of a module: declarations by name, static members of classes as `Class.member`, and bare statements. */
interface Module {
  readonly path: string
  readonly units: ReadonlyMap<string, Node>
  readonly statements: ReadonlyArray<Node>
  /** Local name to where it comes from; `*` is the whole module. */
  readonly imports: ReadonlyMap<string, { readonly path: string; readonly name: string }>
}

const resolve = (from: string, specifier: string): string | undefined => {
  if (specifier.startsWith(".")) return posix.join(posix.dirname(from), specifier)
  const [scope, name = "", ...rest] = specifier.split("/")
  if (scope !== "@marketplace") return undefined
  const file = `${rest.join("/")}.ts`
  return name === "domain" ? `domain/src/${file}` : `*/${name}/src/${file}`
}

const nameOf = (node: unknown): string => {
  if (!isNode(node)) return ""
  return node.type === "Identifier" ? String(node["name"]) : textOf(node) ?? ""
}

const listOf = (value: unknown): ReadonlyArray<Node> => Array.isArray(value) ? value.filter(isNode) : []

const readModule = (file: File): Module => {
  const units = new Map<string, Node>()
  const statements: Array<Node> = []
  const imports = new Map<string, { path: string; name: string }>()
  const declare = (node: Node): void => {
    if (node.type === "VariableDeclaration") {
      for (const one of listOf(node["declarations"])) units.set(nameOf(one["id"]), one)
    } else if (node.type === "ClassDeclaration") {
      const name = nameOf(node["id"])
      const members = isNode(node["body"]) ? listOf(node["body"]["body"]) : []
      for (const member of members.filter((one) => one["static"] === true)) units.set(`${name}.${nameOf(member["key"])}`, member)
      const body = { type: "ClassBody", start: node.start, body: members.filter((member) => member["static"] !== true) }
      units.set(name, { ...node, body })
    } else if (node.type === "FunctionDeclaration") {
      units.set(nameOf(node["id"]), node)
    } else {
      statements.push(node)
    }
  }
  for (const node of listOf(parse(file)["body"])) {
    const source = textOf(node["source"])
    const path = source === undefined ? undefined : resolve(file.path, source)
    if (path !== undefined) {
      for (const specifier of listOf(node["specifiers"])) {
        const name = specifier.type === "ImportNamespaceSpecifier" ? "*" : nameOf(specifier["imported"] ?? specifier["local"])
        imports.set(nameOf(specifier.type === "ExportSpecifier" ? specifier["exported"] : specifier["local"]), { path, name })
      }
    } else if (source === undefined && !node.type.startsWith("TS")) {
      declare(isNode(node["declaration"]) ? node["declaration"] : node)
    }
  }
  return { path: file.path, units, statements, imports }
}

/** `Tokens.Verifier.layerConfig`; undefined for what does not begin with a name. */
const pathOf = (node: Node): string | undefined => {
  if (node.type === "Identifier") return nameOf(node)
  if (node.type !== "MemberExpression" || node["computed"] === true || !isNode(node["object"])) return undefined
  const path = pathOf(node["object"])
  return path === undefined ? undefined : `${path}.${nameOf(node["property"])}`
}

const withDefault = /^(withDefault|option|orElse)$/

/** `Config.withDefault` for `Config.withDefault(…)`, and for itself. */
const configMethod = (node: unknown): string | undefined => {
  if (!isNode(node)) return undefined
  if (node.type === "CallExpression") return configMethod(node["callee"])
  return node.type === "MemberExpression" && nameOf(node["object"]) === "Config" ? nameOf(node["property"]) : undefined
}

/** Whether what stands below the call has a default: `Config.option(…)` or `….pipe(Config.withDefault(…))`. */
const givesDefault = (call: Node): boolean => {
  if (withDefault.test(configMethod(call["callee"]) ?? "")) return true
  const callee = call["callee"]
  const isPipe = isNode(callee) && callee.type === "MemberExpression" && nameOf(callee["property"]) === "pipe"
  return isPipe && listOf(call["arguments"]).some((argument) => withDefault.test(configMethod(argument) ?? ""))
}

/** Names that a function or block takes for itself: they are not those at the top of the module. */
const ownNames = (node: Node): ReadonlyArray<string> => {
  const names: Array<string> = []
  const add = (pattern: unknown) => {
    if (isNode(pattern)) walk(pattern, (inner) => inner.type === "Identifier" && names.push(nameOf(inner)))
  }
  for (const parameter of listOf(node["params"])) add(parameter)
  if (node.type === "BlockStatement") {
    for (const statement of listOf(node["body"])) for (const one of listOf(statement["declarations"])) add(one["id"])
  }
  return names
}

/**
 * What the program at `entry` reads, found by following names from there through the modules: `Config.Int("NAME")`
 * wherever it is reached, and `*_URL`, by whose name the address of another service is handed on.
 */
export const settingsOf = (files: ReadonlyArray<File>, entry: string): Settings => {
  const sources = files.filter(({ path }) => path.endsWith(".ts") && path.includes("src/"))
  const modules = new Map<string, Module>()
  const moduleAt = (path: string): Module | undefined => {
    const file = sources.find((one) => path.startsWith("*/") ? one.path.endsWith(path.slice(1)) : one.path === path)
    if (file === undefined) return undefined
    const module = modules.get(file.path) ?? readModule(file)
    modules.set(file.path, module)
    return module
  }
  const required = new Set<string>()
  const optional = new Set<string>()
  const seen = new Set<string>()

  const reach = (module: Module, name: string, hasDefault: boolean): void => {
    const key = `${module.path} ${name} ${hasDefault}`
    if (seen.has(key)) return
    seen.add(key)
    const unit = module.units.get(name)
    if (unit !== undefined) return scan(module, unit, hasDefault, new Set())
    const [head = "", ...tail] = name.split(".")
    const imported = module.imports.get(head)
    const target = imported === undefined ? undefined : moduleAt(imported.path)
    if (imported !== undefined && target !== undefined) {
      reach(target, [imported.name, ...tail].filter((part) => part !== "*").join("."), hasDefault)
    } else if (tail.length > 0) {
      reach(module, name.slice(0, name.lastIndexOf(".")), hasDefault)
    }
  }

  const scan = (module: Module, node: Node, hasDefault: boolean, outer: ReadonlySet<string>): void => {
    if (node.type.startsWith("TS") && !isNode(node["expression"])) return
    if (node.type === "Identifier") return outer.has(nameOf(node)) ? undefined : reach(module, nameOf(node), hasDefault)
    if (node.type === "MemberExpression" && node["computed"] !== true) {
      const path = pathOf(node)
      if (path === undefined) return isNode(node["object"]) ? scan(module, node["object"], hasDefault, outer) : undefined
      return outer.has(path.split(".")[0] ?? "") ? undefined : reach(module, path, hasDefault)
    }
    const own = ownNames(node)
    const names = own.length === 0 ? outer : new Set([...outer, ...own])
    let inner = hasDefault
    if (node.type === "CallExpression") {
      inner ||= givesDefault(node)
      const setting = configMethod(node["callee"]) === undefined ? /^[A-Z_]+_URL$/ : /^[A-Z][A-Z0-9_]*$/
      for (const text of listOf(node["arguments"]).map(textOf)) {
        if (text !== undefined && setting.test(text)) (inner ? optional : required).add(text)
      }
    }
    for (const [key, value] of Object.entries(node)) {
      if (key === "key" && node["computed"] !== true) continue
      for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) scan(module, child, inner, names)
    }
  }

  const main = moduleAt(entry)
  if (main === undefined) throw new Error(`there is no ${entry}`)
  for (const statement of main.statements) scan(main, statement, false, new Set())
  for (const name of required) optional.delete(name)
  return { required, optional }
}
