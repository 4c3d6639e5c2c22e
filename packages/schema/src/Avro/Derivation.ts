import { DateTime, Schema, SchemaAST, SchemaGetter } from "effect"
import { canonical, isArray, isMap, isRecord, isUnion } from "./AvroSchema.ts"
import type { AvroField, AvroRecord, AvroSchema } from "./AvroSchema.ts"

/** The schema has no Avro form that is safe to evolve. A mistake in the code, found when the codec is made. */
export class NoAvroForm extends Error {
  /** Where in the event, as in `OrderCreated.lines[].price`. */
  readonly path: string

  constructor(path: string, reason: string) {
    super(`${path}: ${reason}`)
    this.path = path
  }
}

/** A record and the way between its values and what the event's Schema encodes to. Absent means that both are the same. */
export interface Form<Avro extends AvroSchema = AvroSchema> {
  readonly avro: Avro
  readonly write?: Convert | undefined
  readonly read?: Convert | undefined
}

type Convert = (value: unknown) => unknown

/** A place in the event: the record's name if one is made here, and what is said about it. */
interface Place {
  readonly path: string
  readonly name: string
  readonly identifier?: string | undefined
  readonly description?: string | undefined
}

/** @throws NoAvroForm */
export const eventForm = (name: string, context: string, schema: Schema.Constraint): Form<AvroRecord> => {
  const form = formOf(schema.ast, { path: name, name, identifier: name })
  if (!isRecord(form.avro)) throw new NoAvroForm(name, "an event is a struct")
  const { type, name: record, ...rest } = form.avro
  return { ...form, avro: definedOnce(name, { type, name: record, namespace: `marketplace.${context}`, ...rest }) }
}

const formOf = (ast: SchemaAST.AST, place: Place): Form => {
  const links = encodingOf(ast)
  const timestamp = timestampOf(ast, links)
  if (timestamp !== undefined) return timestamp
  const encoded = links.at(-1)?.to
  const here: Place = {
    ...place,
    identifier: place.identifier ?? SchemaAST.resolveIdentifier(ast),
    description: place.description ?? SchemaAST.resolveDescription(ast)
  }
  if (encoded !== undefined) return formOf(encoded, here)
  switch (ast._tag) {
    case "String":
      return { avro: "string" }
    case "Boolean":
      return { avro: "boolean" }
    case "Number":
      if (!isWhole(ast)) throw new NoAvroForm(place.path, "may have a fraction; use Schema.Int (money is in minor units)")
      return { avro: "long" }
    case "BigInt":
      return { avro: "long", read: (value) => typeof value === "number" ? BigInt(value) : value }
    case "Literal":
    case "Union":
      return unionOf(ast, place)
    case "Arrays":
      return arrayOf(ast, place)
    case "Objects":
      return ast.indexSignatures.length === 0 ? recordOf(ast, here) : mapOf(ast, place)
    case "Suspend":
      throw new NoAvroForm(place.path, "a recursive schema")
    default:
      throw new NoAvroForm(place.path, `${SchemaAST.resolveAt<string>("expected")(ast) ?? ast._tag} is not supported`)
  }
}

/**
 * The links that change what is written. A link that writes what it was given is a default or a leniency of reading, and its far
 * side is only the bare shape: names, descriptions and times are known on the near side.
 */
const encodingOf = (ast: SchemaAST.AST): ReadonlyArray<SchemaAST.Link> => {
  const links = ast.encoding ?? []
  const changing = links.findLastIndex(({ to, transformation }, index) =>
    to.encoding !== undefined || to._tag !== (links[index - 1]?.to ?? ast)._tag ||
    transformation.encode !== SchemaGetter.passthrough()
  )
  return links.slice(0, changing + 1)
}

const representation = (annotations: Schema.Annotations.Annotations | undefined): unknown => {
  const found = annotations?.["representation"]
  return typeof found === "object" && found !== null && "id" in found ? found.id : undefined
}

const timestampMillis = { type: "long", logicalType: "timestamp-millis" } as const

/**
 * Only the encodings of Effect's own time schemas are taken for milliseconds. Any other schema of a time follows its encoding:
 * seconds stay a plain long, which nobody mistakes for milliseconds.
 */
const timestampOf = (ast: SchemaAST.AST, links: ReadonlyArray<SchemaAST.Link>): Form | undefined => {
  if (!SchemaAST.isDeclaration(ast) || representation(ast.annotations) !== "effect/schema/DateTimeUtc") return undefined
  if (links.length === 0) {
    const write = (value: unknown) => DateTime.isDateTime(value) ? DateTime.toEpochMillis(value) : value
    return { avro: timestampMillis, write, read: toUtc }
  }
  switch (links.length === 1 ? links[0]?.transformation : undefined) {
    case transformation(Schema.DateTimeUtcFromMillis):
      return { avro: timestampMillis }
    case transformation(Schema.DateTimeUtcFromString):
      return {
        avro: timestampMillis,
        write: (value) => typeof value === "string" ? DateTime.toEpochMillis(DateTime.makeUnsafe(value)) : value,
        read: (value) => DateTime.formatIso(toUtc(value))
      }
    default:
      return undefined
  }
}

const transformation = (schema: Schema.Constraint) => schema.ast.encoding?.[0].transformation

const toUtc = (millis: unknown): DateTime.Utc => DateTime.makeUnsafe(Number(millis))

const isWhole = ({ checks }: { readonly checks?: SchemaAST.Checks | undefined }): boolean =>
  checks !== undefined && checks.some((check) =>
    check._tag === "FilterGroup" ? isWhole(check) : representation(check.annotations) === "effect/schema/isInt"
  )

const unionOf = (ast: SchemaAST.Union | SchemaAST.Literal, place: Place): Form => {
  const members = SchemaAST.isUnion(ast) ? ast.types : [ast]
  if (members.every((member) => SchemaAST.isLiteral(member) && typeof member.literal === "string")) return { avro: "string" }
  const present = members.filter((member) => !SchemaAST.isNull(member))
  const [only] = present
  if (only !== undefined && present.length === 1 && members.length === 2) return nullable(formOf(only, place), place)
  throw new NoAvroForm(place.path, "the only unions are NullOr and literals of strings")
}

const nullable = ({ avro, read, write }: Form, { path }: Place): Form => {
  if (isUnion(avro)) throw new NoAvroForm(path, "absent and null, or null twice, cannot be told apart")
  return { avro: ["null", avro], read: unlessNull(read), write: unlessNull(write) }
}

const unlessNull = (convert: Convert | undefined): Convert | undefined =>
  convert && ((value) => value === null || value === undefined ? null : convert(value))

const arrayOf = (ast: SchemaAST.Arrays, place: Place): Form => {
  const [item, ...more] = ast.rest
  if (item === undefined || more.length > 0 || ast.elements.length > 0) {
    throw new NoAvroForm(place.path, "a tuple; use Schema.Array, with a check if it must not be empty")
  }
  const { avro, read, write } = formOf(item, { path: `${place.path}[]`, name: place.name })
  return { avro: { type: "array", items: avro }, read: each(read), write: each(write) }
}

const each = (convert: Convert | undefined): Convert | undefined =>
  convert && ((value) => Array.isArray(value) ? value.map((item) => convert(item)) : value)

const mapOf = (ast: SchemaAST.Objects, place: Place): Form => {
  const [index, ...more] = ast.indexSignatures
  if (index === undefined || more.length > 0 || ast.propertySignatures.length > 0) {
    throw new NoAvroForm(place.path, "a struct with further keys")
  }
  if (!SchemaAST.isString(index.parameter)) throw new NoAvroForm(place.path, "a record whose keys are not strings")
  const { avro, read, write } = formOf(index.type, { path: `${place.path}{}`, name: place.name })
  return { avro: { type: "map", values: avro }, read: eachValue(read), write: eachValue(write) }
}

const eachValue = (convert: Convert | undefined): Convert | undefined =>
  convert && ((value) => Object.fromEntries(Object.entries(Object(value)).map(([key, item]) => [key, convert(item)])))

interface Property {
  readonly name: string
  readonly field: AvroField
  readonly optional: boolean
  readonly read: Convert | undefined
  readonly write: Convert | undefined
}

const recordOf = (ast: SchemaAST.Objects, place: Place): Form => {
  const tag = ast.propertySignatures.map(tagOf).find((found) => found !== undefined)
  const name = place.identifier ?? tag ?? place.name
  const isEvent = place.path === name
  if (!isName(name)) throw new NoAvroForm(place.path, `"${name}" is no Avro name; annotate another identifier`)
  if (isEvent && tag !== undefined && tag !== name) throw new NoAvroForm(place.path, `its tag is "${tag}"`)
  const properties = ast.propertySignatures.filter((property) => tagOf(property) === undefined)
    .map((property) => propertyOf(property, place.path, name))
  // An item without bytes would make the number of items in an array impossible to check.
  if (properties.length === 0 && !isEvent) throw new NoAvroForm(place.path, "a struct without fields")
  return {
    avro: { type: "record", name, ...docOf(place.description), fields: properties.map(({ field }) => field) },
    write: properties.some(({ write }) => write !== undefined) ? writer(properties) : undefined,
    read: tag !== undefined || properties.some(({ optional, read }) => optional || read) ? reader(properties, tag) : undefined
  }
}

/** The record's name says it already. */
const tagOf = ({ name, type }: SchemaAST.PropertySignature): string | undefined =>
  name === "_tag" && SchemaAST.isLiteral(type) && typeof type.literal === "string" ? type.literal : undefined

const propertyOf = ({ name, type }: SchemaAST.PropertySignature, parent: string, record: string): Property => {
  const path = `${parent}.${String(name)}`
  if (typeof name !== "string" || !isName(name)) throw new NoAvroForm(path, "no Avro name; use letters, digits and _")
  const place = { path, name: `${record}${name.charAt(0).toUpperCase()}${name.slice(1)}` }
  const form = formOf(type, place)
  const optional = isOptional(type)
  const { avro, read, write } = optional ? nullable(form, place) : form
  const doc = type.context?.annotations?.["description"] ?? (isRecord(form.avro) ? undefined : SchemaAST.resolveDescription(type))
  const field: AvroField = { name, ...docOf(doc), type: avro, ...isUnion(avro) ? { default: null } : {} }
  return { name, field, optional, read, write }
}

/** Whether the encoded side may lack the key. */
const isOptional = (type: SchemaAST.AST): boolean => {
  const encoded = type.encoding?.at(-1)?.to
  return encoded === undefined ? SchemaAST.isOptional(type) : isOptional(encoded)
}

const writer = (properties: ReadonlyArray<Property>): Convert => (value) => {
  const out: Record<string, unknown> = {}
  for (const { name, write } of properties) {
    const field: unknown = Object(value)[name]
    out[name] = write === undefined ? field : write(field)
  }
  return out
}

const reader = (properties: ReadonlyArray<Property>, tag: string | undefined): Convert => (value) => {
  const out: Record<string, unknown> = tag === undefined ? {} : { _tag: tag }
  for (const { name, optional, read } of properties) {
    const field: unknown = Object(value)[name]
    if (!optional || field !== null) out[name] = read === undefined ? field : read(field)
  }
  return out
}

const docOf = (text: unknown) => typeof text === "string" ? { doc: text } : {}

const isName = (name: string): boolean => /^(?!__proto__$)[A-Za-z_][A-Za-z0-9_]*$/.test(name)

/** Avro wants a named record spelled out where it comes first, and its name after that. */
const definedOnce = (event: string, schema: AvroRecord): AvroRecord => {
  const defined = new Map<string, string>()
  const record = (avro: AvroRecord): AvroRecord => ({
    ...avro,
    fields: avro.fields.map((field) => ({ ...field, type: once(field.type) }))
  })
  const once = (avro: AvroSchema): AvroSchema => {
    if (isUnion(avro)) return avro.map(once)
    if (isArray(avro)) return { ...avro, items: once(avro.items) }
    if (isMap(avro)) return { ...avro, values: once(avro.values) }
    if (!isRecord(avro)) return avro
    const text = canonical(avro)
    const before = defined.get(avro.name)
    if (before !== undefined && before !== text) throw new NoAvroForm(event, `two different records are called ${avro.name}`)
    defined.set(avro.name, text)
    return before === undefined ? record(avro) : avro.name
  }
  defined.set(schema.name, canonical(schema))
  return record(schema)
}
