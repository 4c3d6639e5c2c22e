import { createHash } from "node:crypto"

/**
 * An Avro schema as JSON. A string is a primitive (`string`, `long`, `boolean`, `double` …) or the name of a record that
 * was defined before. Derived schemas use no enums (a status is a string, so that a new one breaks no reader) and no
 * union but `["null", T]`; a schema that somebody else wrote may contain anything.
 */
export type AvroSchema = string | AvroLogical | AvroArray | AvroMap | AvroRecord | ReadonlyArray<AvroSchema>

/** `{ type: "long", logicalType: "timestamp-millis" }` is the only one that is derived. */
export interface AvroLogical {
  readonly type: string
  readonly logicalType: string
}

export interface AvroArray {
  readonly type: "array"
  readonly items: AvroSchema
}

export interface AvroMap {
  readonly type: "map"
  readonly values: AvroSchema
}

export interface AvroRecord {
  readonly type: "record"
  readonly name: string
  /** Nested records without one live in the namespace of the record around them. */
  readonly namespace?: string
  readonly doc?: string
  readonly fields: ReadonlyArray<AvroField>
}

export interface AvroField {
  readonly name: string
  readonly doc?: string
  readonly type: AvroSchema
  /** What a reader takes when the writer had no such field. Of a union it is a value of the first branch. */
  readonly default?: unknown
}

export const isUnion = (schema: AvroSchema): schema is ReadonlyArray<AvroSchema> => Array.isArray(schema)
export const isRecord = (schema: AvroSchema): schema is AvroRecord => isOf(schema, "record")
export const isArray = (schema: AvroSchema): schema is AvroArray => isOf(schema, "array")
export const isMap = (schema: AvroSchema): schema is AvroMap => isOf(schema, "map")

const isOf = (schema: AvroSchema, type: string): boolean => typeof schema === "object" && "type" in schema && schema.type === type

/** One text per schema, however its attributes were ordered. Avro's own canonical form leaves things out; this one does not. */
export const canonical = (schema: AvroSchema): string =>
  JSON.stringify(schema, (_, value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([left], [right]) => left < right ? -1 : 1))
      : value)

/**
 * SHA-256 of the canonical text, in hexadecimal: names the version of a schema that wrote a body.
 *
 * It is not the fingerprint of Avro's parsing canonical form: that form drops logical types and defaults, so
 * timestamp-millis and timestamp-micros would share a fingerprint and a reader could be off by a factor of 1000.
 */
export const fingerprint = (schema: AvroSchema): string => createHash("sha256").update(canonical(schema)).digest("hex")
