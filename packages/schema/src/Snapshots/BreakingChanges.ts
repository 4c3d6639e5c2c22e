import { isObject, type Json, type JsonObject, listAt, objectAt } from "./Json.ts"

/** Whether a schema describes what callers send or what they get: what is a promise in one is a demand in the other. */
type Direction = "request" | "response"

interface Side {
  readonly document: JsonObject
  readonly schema: JsonObject
}

interface Place {
  readonly path: string
  readonly direction: Direction
  /** What is being compared further out: schemas may contain themselves. */
  readonly within: ReadonlyArray<readonly [before: JsonObject, now: JsonObject]>
}

const methods = ["get", "post", "put", "patch", "delete"]

/**
 * What in an OpenAPI document would break somebody who was written against an earlier one, in sentences; none means that
 * everybody goes on working. Broken are: a path, operation, parameter, response or property that is gone; a type that
 * changed; something new that must be sent; a value that is no longer taken; a property that may now be missing or null. New
 * operations, optional parameters, properties of answers, problems and statuses break nobody.
 */
export const breakingChanges = (before: JsonObject, now: JsonObject): ReadonlyArray<string> =>
  Object.entries(objectAt(before, "paths")).flatMap(([path, old]) => {
    const item = objectAt(objectAt(now, "paths"), path)
    if (!isObject(old)) return []
    return methods.filter((method) => isObject(old[method])).flatMap((method) => {
      const operation = item[method]
      const place = `${method.toUpperCase()} ${path}`
      return isObject(operation) ? ofOperation(place, before, objectAt(old, method), now, operation) : [`${place}: is gone`]
    })
  })

const ofOperation = (place: string, before: JsonObject, old: JsonObject, now: JsonObject, operation: JsonObject) => [
  ...ofParameters(place, before, old, now, operation),
  ...ofContent(`${place} body`, "request", before, objectAt(old, "requestBody"), now, objectAt(operation, "requestBody")),
  ...objectAt(operation, "requestBody")["required"] === true && objectAt(old, "requestBody")["required"] !== true
    ? [`${place} body: must be sent now`]
    : [],
  ...Object.entries(objectAt(old, "responses")).flatMap(([status, response]) => {
    const answered = objectAt(operation, "responses")[status]
    if (!isObject(response)) return []
    if (isObject(answered)) return ofContent(`${place} ${status}`, "response", before, response, now, answered)
    return status.startsWith("2") ? [`${place} ${status}: is gone`] : []
  })
]

const ofParameters = (place: string, before: JsonObject, old: JsonObject, now: JsonObject, operation: JsonObject) => {
  const known = parametersOf(old)
  const current = parametersOf(operation)
  return [
    ...[...known].flatMap(([name, parameter]) => {
      const same = current.get(name)
      if (same === undefined) return [`${place} ${name}: is gone`]
      return between(
        { path: `${place} ${name}`, direction: "request", within: [] },
        { document: before, schema: objectAt(parameter, "schema") },
        { document: now, schema: objectAt(same, "schema") }
      )
    }),
    ...[...current].filter(([name, parameter]) => parameter["required"] === true && known.get(name)?.["required"] !== true)
      .map(([name]) => `${place} ${name}: must be sent now`)
  ]
}

const parametersOf = (operation: JsonObject): ReadonlyMap<string, JsonObject> =>
  new Map(listAt(operation, "parameters").filter(isObject).map((parameter) =>
    [`${parameter["in"]} ${parameter["name"]}`, parameter]))

const ofContent = (
  path: string,
  direction: Direction,
  before: JsonObject,
  old: JsonObject,
  now: JsonObject,
  current: JsonObject
): ReadonlyArray<string> =>
  Object.entries(objectAt(old, "content")).flatMap(([type, media]) => {
    const same = objectAt(current, "content")[type]
    if (!isObject(media)) return []
    return isObject(same)
      ? between(
        { path, direction, within: [] },
        { document: before, schema: objectAt(media, "schema") },
        { document: now, schema: objectAt(same, "schema") }
      )
      : [`${path}: is no longer ${type}`]
  })

const between = (place: Place, before: Side, now: Side): ReadonlyArray<string> => {
  const old = branchesOf(before)
  const current = branchesOf(now)
  const [first, ...more] = old
  const [only, ...others] = current
  if (first === undefined || only === undefined) return []
  if (more.length === 0 && others.length === 0) return ofForm(place, first, only)
  // A caller may send each of the old forms; it understands no form that it did not know, except for problems.
  const pairs = place.direction === "request"
    ? old.map((form) => ({ form, changes: current.map((candidate) => ofForm(place, form, candidate)) }))
    : current.filter((form) => problemOf(form) === undefined || old.some((one) => problemOf(one) === problemOf(form)))
      .map((form) => ({
        form,
        changes: old.filter((candidate) => problemOf(candidate) === problemOf(form))
          .map((candidate) => ofForm(place, candidate, form))
      }))
  return pairs.flatMap(({ changes, form }) => {
    if (changes.some(({ length }) => length === 0)) return []
    const [single, ...rest] = changes
    if (single !== undefined && rest.length === 0) return single
    return [`${place.path}: ${describe(form)} is ${place.direction === "request" ? "no longer taken" : "new among the answers"}`]
  })
}

/** The forms a schema allows, each without references. */
const branchesOf = ({ document, schema }: Side): ReadonlyArray<Side> => {
  const { $ref } = schema
  if (typeof $ref === "string") {
    const target = $ref.split("/").slice(1).reduce<JsonObject>((object, key) => objectAt(object, key), document)
    return branchesOf({ document, schema: target })
  }
  const forms = [...listAt(schema, "anyOf"), ...listAt(schema, "oneOf")].filter(isObject)
  return forms.length === 0 ? [{ document, schema }] : forms.flatMap((form) => branchesOf({ document, schema: form }))
}

const problemOf = ({ schema }: Side): Json | undefined => {
  const [type] = listAt(objectAt(objectAt(schema, "properties"), "type"), "enum")
  return type
}

const describe = ({ schema }: Side): string => JSON.stringify(schema["type"] ?? schema)

const ofForm = (place: Place, before: Side, now: Side): ReadonlyArray<string> => {
  const { direction, path, within } = place
  if (within.some(([one, other]) => one === before.schema && other === now.schema)) return []
  if (before.schema["type"] !== now.schema["type"]) return [`${path}: was ${describe(before)}, is ${describe(now)}`]
  const taken = new Set(listAt(now.schema, "enum"))
  const refused = direction === "request" && taken.size > 0
    ? listAt(before.schema, "enum").filter((value) => !taken.has(value))
    : []
  const properties = objectAt(now.schema, "properties")
  const required = new Set(listAt(now.schema, "required"))
  const wasRequired = new Set(listAt(before.schema, "required"))
  const on = (side: Side, schema: JsonObject) => ({ document: side.document, schema })
  const inside = (step: string): Place => ({ ...place, path: path + step, within: [...within, [before.schema, now.schema]] })
  return [
    ...refused.map((value) => `${path}: ${JSON.stringify(value)} is no longer taken`),
    ...Object.entries(objectAt(before.schema, "properties")).flatMap(([name, property]) => {
      const same = properties[name]
      if (!isObject(property)) return []
      return isObject(same)
        ? between(inside(`.${name}`), on(before, property), on(now, same))
        : [`${path}.${name}: is gone`]
    }),
    ...direction === "request"
      ? [...required].filter((name) => !wasRequired.has(name)).map((name) => `${path}.${name}: must be sent now`)
      : [...wasRequired].filter((name) => !required.has(name) && properties[String(name)] !== undefined)
        .map((name) => `${path}.${name}: may be missing now`),
    ...isObject(before.schema["items"]) && isObject(now.schema["items"])
      ? between(inside("[]"), on(before, before.schema["items"]), on(now, now.schema["items"]))
      : []
  ]
}
