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

export const parse = ({ path, text }: File): Node => ({ ...parseAst(text, { lang: path.endsWith(".ts") ? "ts" : "js" }, path) })

/** The node and all below it. */
export function* walk(node: Node): Generator<Node> {
  yield node
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) yield* walk(child)
  }
}

export const lineAt = (text: string, offset: number): number => text.slice(0, offset).split("\n").length

/** The text of a string literal, also one written with backticks. */
export const textOf = (node: unknown): string | undefined => {
  if (!isNode(node)) return undefined
  if (node.type === "Literal" && typeof node["value"] === "string") return node["value"]
  return undefined
}

export interface Import {
  readonly specifier: string
  readonly line: number
}

const importing = new Set(["ImportDeclaration", "ExportAllDeclaration", "ExportNamedDeclaration", "ImportExpression", "TSImportType"])

/** All that the file imports, whether for values or types, at once or later. */
export const importsOf = (file: File): ReadonlyArray<Import> =>
  Array.from(walk(parse(file))).flatMap((node) => {
    const specifier = importing.has(node.type) ? textOf(node["source"]) : undefined
    return specifier === undefined ? [] : [{ specifier, line: lineAt(file.text, node.start) }]
  })
