import { parseAst } from "rolldown/parseAst"
import type { File } from "./Repository.ts"

/** A node of the syntax tree (ESTree with TypeScript's additions). */
export interface Node {
  readonly type: string
  readonly start: number
  readonly [key: string]: unknown
}

export const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && "type" in value && typeof value.type === "string"

/** Of a file once: several checks and their tests ask about the same ones. */
const once = <A>(make: (file: File) => A): (file: File) => A => {
  const made = new WeakMap<File, { readonly value: A }>()
  return (file) => {
    const found = made.get(file) ?? { value: make(file) }
    made.set(file, found)
    return found.value
  }
}

export const parse = once(({ path, text }): Node => ({ ...parseAst(text, { lang: path.endsWith(".ts") ? "ts" : "js" }, path) }))

/** The node and all below it. */
export const walk = (node: Node, visit: (node: Node) => void): void => {
  visit(node)
  for (const value of Object.values(node)) {
    if (Array.isArray(value)) {
      for (const child of value) if (isNode(child)) walk(child, visit)
    } else if (isNode(value)) {
      walk(value, visit)
    }
  }
}

export const lineAt = (text: string, offset: number): number => text.slice(0, offset).split("\n").length

/** The text of a string literal. */
export const textOf = (node: unknown): string | undefined =>
  isNode(node) && node.type === "Literal" && typeof node["value"] === "string" ? node["value"] : undefined

export interface Import {
  readonly specifier: string
  readonly line: number
}

const importing = new Set([
  "ImportDeclaration",
  "ExportAllDeclaration",
  "ExportNamedDeclaration",
  "ImportExpression",
  "TSImportType"
])

/** All that the file imports, whether for values or types, at once or later. */
export const importsOf = once((file): ReadonlyArray<Import> => {
  const imports: Array<Import> = []
  walk(parse(file), (node) => {
    const specifier = importing.has(node.type) ? textOf(node["source"]) : undefined
    if (specifier !== undefined) imports.push({ specifier, line: lineAt(file.text, node.start) })
  })
  return imports
})
