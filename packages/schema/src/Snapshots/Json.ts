/** Any part of a JSON document. */
export type Json = null | boolean | number | string | ReadonlyArray<Json> | JsonObject
export interface JsonObject {
  readonly [key: string]: Json
}

export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

export const isArray = (value: Json | undefined): value is ReadonlyArray<Json> => Array.isArray(value)

/** The object under a key, or an empty one. */
export const objectAt = (object: JsonObject, key: string): JsonObject => {
  const value = object[key]
  return isObject(value) ? value : {}
}

/** The list under a key, or an empty one. */
export const listAt = (object: JsonObject, key: string): ReadonlyArray<Json> => {
  const value = object[key]
  return isArray(value) ? value : []
}

/** Rewrites every object of a document, the innermost first. */
export const rewrite = (document: JsonObject, change: (object: JsonObject) => JsonObject): JsonObject => {
  const inside = (value: Json): Json => isArray(value) ? value.map(inside) : isObject(value) ? rewrite(value, change) : value
  return change(Object.fromEntries(Object.entries(document).map(([key, value]) => [key, inside(value)])))
}

/** As files keep it. */
export const format = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`
