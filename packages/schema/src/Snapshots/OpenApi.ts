import { Option, Schema, SchemaAST } from "effect"
import { HttpApi, OpenApi } from "effect/http-api"
import { MarketplaceApi } from "../MarketplaceApi.ts"
import { type JsonObject, isObject, listAt, objectAt, rewrite } from "./Json.ts"

const suffix = "Encoded"
const schemas = "#/components/schemas/"

/** Effect names what is sent `OrderViewEncoded`, beside the class `OrderView`; outside there is only what is sent. */
const withoutSuffix = (spec: JsonObject): JsonObject => {
  const components = objectAt(spec, "components")
  const known = objectAt(components, "schemas")
  const outside = (name: string) => {
    const short = name.endsWith(suffix) ? name.slice(0, -suffix.length) : name
    return short === "" || Object.hasOwn(known, short) ? name : short
  }
  const renamed = Object.entries(known).map(([name, schema]) => [outside(name), schema] as const)
  const sorted = Object.fromEntries(renamed.sort(([left], [right]) => left < right ? -1 : 1))
  return rewrite({ ...spec, components: { ...components, schemas: sorted } }, (object) => {
    const { $ref } = object
    return typeof $ref === "string" && $ref.startsWith(schemas)
      ? { ...object, $ref: schemas + outside($ref.slice(schemas.length)) }
      : object
  })
}

/** Whole numbers are integers, without the bounds of the language that serves them. */
const wholeNumber = (object: JsonObject): JsonObject => {
  if (object["type"] === "number" && listAt(object, "enum").some(Number.isInteger)) return { ...object, type: "integer" }
  if (object["type"] !== "integer") return object
  const { maximum, minimum, ...rest } = object
  return {
    ...rest,
    format: "int64",
    ...(minimum === undefined || minimum === Number.MIN_SAFE_INTEGER ? {} : { minimum }),
    ...(maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? {} : { maximum })
  }
}

/** A problem as it is sent (RFC 9457): the title comes in the reader's language; instance and trace id are added. */
const problem = (object: JsonObject): JsonObject => {
  const { detail: _detail, instance: _instance, status, title, type, ...own } = objectAt(object, "properties")
  const [uri] = isObject(type) ? listAt(type, "enum") : []
  if (typeof uri !== "string" || !uri.startsWith("/problems/")) return object
  const { additionalProperties: _, ...open } = object
  return {
    ...open,
    properties: {
      type: { type: "string", format: "uri-reference", enum: [uri] },
      title: { type: "string", examples: isObject(title) ? listAt(title, "enum") : [] },
      status: status ?? { type: "integer" },
      detail: { type: "string" },
      instance: { type: "string", format: "uri-reference", description: "The path that was asked for" },
      traceId: { type: "string", pattern: "^[0-9a-f]{32}$", description: "What support asks for" },
      ...own
    },
    required: [...new Set(["type", "title", "status", "instance", "traceId", ...listAt(object, "required")])]
  }
}

/** Parameters are texts on the wire. What numbers among them mean, and what is taken without them, by operation and name. */
const numbers = (): ReadonlyMap<string, JsonObject> => {
  const found = new Map<string, JsonObject>()
  HttpApi.reflect(MarketplaceApi, {
    onGroup: () => {},
    onEndpoint: ({ endpoint, group }) => {
      const query = endpoint.query?.ast
      if (query === undefined || !SchemaAST.isObjects(query)) return
      for (const property of query.propertySignatures) {
        const { schema } = Schema.toJsonSchemaDocument(Schema.toType(Schema.make<Schema.Codec<unknown>>(property.type)))
        const meaning: JsonObject = JSON.parse(JSON.stringify(schema))
        if (meaning["type"] !== "integer") continue
        found.set(`${group.identifier}.${endpoint.identifier} ${String(property.name)}`, { ...meaning, ...defaultOf(property) })
      }
    }
  })
  return found
}

const defaultOf = (property: SchemaAST.PropertySignature): JsonObject => {
  const alone = Schema.make<Schema.Codec<Record<PropertyKey, number | undefined>>>(new SchemaAST.Objects([property], []))
  const value = Option.getOrUndefined(Schema.decodeUnknownOption(alone)({}))?.[property.name]
  return value === undefined ? {} : { default: value }
}

const withNumbers = (spec: JsonObject): JsonObject => {
  const known = numbers()
  return rewrite(spec, (object) =>
    typeof object["operationId"] === "string"
      ? {
        ...object,
        parameters: listAt(object, "parameters").map((parameter) => {
          const schema = isObject(parameter) ? known.get(`${object["operationId"]} ${parameter["name"]}`) : undefined
          return isObject(parameter) && schema !== undefined ? { ...parameter, schema } : parameter
        })
      }
      : object)
}

const clean = (spec: JsonObject): JsonObject => {
  const described = rewrite(withNumbers(withoutSuffix(spec)), (object) => wholeNumber(problem(object)))
  const tags = new Map(listAt(described, "tags").map((tag) => [JSON.stringify(tag), tag]))
  return { ...described, servers: [{ url: "/", description: "This gateway" }], tags: [...tags.values()] }
}

/** The public API, described for people who know nothing of Effect; it is the same API. */
export const DocumentedApi = MarketplaceApi.annotate(OpenApi.Transform, clean)

/** The OpenAPI document; each caller gets a copy. */
export const openApi = (): OpenApi.OpenAPISpec => OpenApi.fromApi(DocumentedApi)
