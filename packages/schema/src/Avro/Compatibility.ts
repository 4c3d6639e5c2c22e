import { canonical, isArray, isMap, isRecord, isUnion } from "./AvroSchema.ts"
import type { AvroField, AvroRecord, AvroSchema } from "./AvroSchema.ts"
import { binaryType } from "./Binary.ts"

interface Difference {
  readonly kind: "logical type" | "other"
  readonly text: string
}

/**
 * Why one of the two could not read the other as it was meant, in sentences for people; none means fully compatible. `reader`
 * is the version now, `writer` a released one. Held against every released version it is FULL_TRANSITIVE.
 *
 * Stricter than resolution of schemas by Avro: types must be equal (no promotion works both ways), and logical types, defaults
 * and docs must be kept, since resolvers accept timestamp-millis read as timestamp-micros. A field that comes or goes
 * needs a default, and one that goes while another of the same type and doc comes is taken for a rename, which loses its values.
 */
export const compatible = (reader: AvroRecord, writer: AvroRecord): ReadonlyArray<string> => [
  ...differences(reader, writer).map(({ text }) => text),
  ...unreadable("the new version cannot read the old one", reader, writer),
  ...unreadable("the old version cannot read the new one", writer, reader)
]

/** What no resolver notices: the number is read, and means something else. */
export const otherLogicalTypes = (reader: AvroRecord, writer: AvroRecord): ReadonlyArray<string> =>
  differences(reader, writer).filter(({ kind }) => kind === "logical type").map(({ text }) => text)

const differences = (reader: AvroRecord, writer: AvroRecord): ReadonlyArray<Difference> =>
  between(reader.name, spelledOut(reader), spelledOut(writer))

const unreadable = (what: string, reader: AvroRecord, writer: AvroRecord): ReadonlyArray<string> => {
  try {
    binaryType(reader).createResolver(binaryType(writer))
    return []
  } catch (cause) {
    return [`${what}: ${cause instanceof Error ? cause.message : String(cause)}`]
  }
}

/** Full names, and every record in place of its name, so that two schemas can be walked side by side. */
const spelledOut = (schema: AvroRecord): AvroSchema => {
  const known = new Map<string, AvroSchema>()
  const qualified = (name: string, namespace: string | undefined) =>
    name.includes(".") || namespace === undefined ? name : `${namespace}.${name}`
  const spell = (avro: AvroSchema, namespace: string | undefined): AvroSchema => {
    if (typeof avro === "string") return known.get(qualified(avro, namespace)) ?? avro
    if (isUnion(avro)) return avro.map((branch) => spell(branch, namespace))
    if (isArray(avro)) return { ...avro, items: spell(avro.items, namespace) }
    if (isMap(avro)) return { ...avro, values: spell(avro.values, namespace) }
    if (!isRecord(avro)) return avro
    const { namespace: own, ...record } = avro
    const name = qualified(avro.name, own ?? namespace)
    const within = name.includes(".") ? name.slice(0, name.lastIndexOf(".")) : undefined
    const spelled = { ...record, name, fields: avro.fields.map((field) => ({ ...field, type: spell(field.type, within) })) }
    known.set(name, spelled)
    return spelled
  }
  return spell(schema, undefined)
}

const between = (path: string, reader: AvroSchema, writer: AvroSchema): ReadonlyArray<Difference> => {
  if (isUnion(reader) && isUnion(writer) && reader.length === writer.length) {
    return reader.flatMap((branch, index) => between(path, branch, writer[index] ?? "null"))
  }
  if (isArray(reader) && isArray(writer)) return between(`${path}[]`, reader.items, writer.items)
  if (isMap(reader) && isMap(writer)) return between(`${path}{}`, reader.values, writer.values)
  if (isRecord(reader) && isRecord(writer)) return betweenRecords(path, reader, writer)
  if (base(reader) !== base(writer)) return changed(path, "type", base(reader), base(writer))
  if (logicalType(reader) !== logicalType(writer)) {
    return changed(path, "logical type", logicalType(reader), logicalType(writer), "logical type")
  }
  return canonical(reader) === canonical(writer) ? [] : changed(path, "type", canonical(reader), canonical(writer))
}

const betweenRecords = (path: string, reader: AvroRecord, writer: AvroRecord): ReadonlyArray<Difference> => {
  const added = reader.fields.filter(({ name }) => !writer.fields.some((field) => field.name === name))
  const removed = writer.fields.filter(({ name }) => !reader.fields.some((field) => field.name === name))
  return [
    ...changed(path, "record's name", reader.name, writer.name),
    ...changed(path, "doc", reader.doc, writer.doc),
    ...reader.fields.flatMap((field) => {
      const before = writer.fields.find(({ name }) => name === field.name)
      return before === undefined ? [] : betweenFields(`${path}.${field.name}`, field, before)
    }),
    ...withoutDefault(path, "added", added),
    ...withoutDefault(path, "removed", removed),
    ...removed.flatMap((before) =>
      added.filter((after) => sameMeaning(after, before)).map((after) =>
        other(`${path}.${before.name}: renamed to ${after.name}? Its values would be lost; if not, describe the new field`)
      )
    )
  ]
}

const betweenFields = (path: string, reader: AvroField, writer: AvroField): ReadonlyArray<Difference> => [
  ...between(path, reader.type, writer.type),
  ...changed(path, "doc", reader.doc, writer.doc),
  ...changed(path, "default", defaultOf(reader), defaultOf(writer))
]

const withoutDefault = (path: string, what: string, fields: ReadonlyArray<AvroField>): ReadonlyArray<Difference> =>
  fields.filter((field) => field.default === undefined).map(({ name }) => other(`${path}.${name}: ${what} without a default`))

const sameMeaning = (left: AvroField, right: AvroField): boolean =>
  left.doc === right.doc && canonical(left.type) === canonical(right.type)

const other = (text: string): Difference => ({ kind: "other", text })

const changed = (
  path: string,
  what: string,
  now: string | undefined,
  before: string | undefined,
  kind: Difference["kind"] = "other"
): ReadonlyArray<Difference> =>
  now === before ? [] : [{ kind, text: `${path}: ${what} is ${now ?? "none"}, was ${before ?? "none"}` }]

const base = (schema: AvroSchema): string =>
  typeof schema === "string" ? schema : isUnion(schema) ? canonical(schema) : isRecord(schema) ? schema.name : schema.type

const logicalType = (schema: AvroSchema): string | undefined =>
  typeof schema === "object" && "logicalType" in schema ? schema.logicalType : undefined

const defaultOf = (field: AvroField): string | undefined =>
  field.default === undefined ? undefined : JSON.stringify(field.default)
