import { assert, it } from "@effect/vitest"
import { SchemaAST } from "effect"
import { HttpApi } from "effect/http-api"
import { MarketplaceApi } from "@marketplace/schema/MarketplaceApi"
import { korean, ofStatus, transport } from "../src/ProblemTitles.ts"

/** The `type` of a problem class: a literal of its wire form. */
const typeOf = (ast: SchemaAST.AST): string | undefined => {
  const wire = ast.encoding === undefined ? ast : typeAst(ast)
  if (!SchemaAST.isObjects(wire)) return undefined
  const type = wire.propertySignatures.find(({ name }) => name === "type")?.type
  const literal = type === undefined ? undefined : SchemaAST.toType(type)
  return literal !== undefined && SchemaAST.isLiteral(literal) ? String(literal.literal) : undefined
}

const typeAst = (ast: SchemaAST.AST): SchemaAST.AST => {
  const last = ast.encoding?.at(-1)
  return last === undefined ? ast : typeAst(last.to)
}

const declared = new Map<string, string>()
HttpApi.reflect(MarketplaceApi, {
  onGroup: () => {},
  onEndpoint: ({ endpoint, errors }) => {
    for (const schema of [...errors.values()].flat()) {
      declared.set(typeOf(schema.ast) ?? `an error of ${endpoint.identifier} without a type`, endpoint.identifier)
    }
  }
})

it("every problem that an operation declares has a Korean title", () => {
  assert.isAbove(declared.size, 15)
  assert.deepStrictEqual([...declared.keys()].filter((type) => korean[type] === undefined), [])
})

it("every problem of the transport has a Korean title", () => {
  assert.deepStrictEqual(Object.values(transport).filter(({ type }) => korean[type] === undefined), [])
  assert.isDefined(korean[ofStatus(418).type])
})

it("no title is kept for a problem that is gone", () => {
  const known = new Set([...declared.keys(), ...Object.values(transport).map(({ type }) => type)])
  assert.deepStrictEqual(Object.keys(korean).filter((type) => !known.has(type)), [])
})

it("the titles are Korean", () => {
  assert.deepStrictEqual(Object.values(korean).filter((title) => !/\p{Script=Hangul}/u.test(title)), [])
})
