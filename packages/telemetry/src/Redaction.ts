/**
 * The last guard in front of logs and traces. Secrets are `Redacted` and personal data is not passed along in the first
 * place; this catches what arrives inside of texts that others wrote: messages of drivers, URLs, stacks.
 */

const hidden = "<redacted>"

const rules: ReadonlyArray<readonly [RegExp, string]> = [
  // scheme://user:password@host
  [/(:\/\/)[^\s/?#]{1,512}@/g, `$1${hidden}@`],
  [/\b(Bearer|Basic)\s+[\w.~+/-]{8,}=*/gi, `$1 ${hidden}`],
  // JSON Web Tokens
  [/(?<![\w-])eyJ[\w-]+\.[\w-]+\.[\w-]*/g, hidden],
  [/(cookie["']?\s{0,4}[:=]\s{0,4}["']?)[^\n"']+/gi, `$1${hidden}`],
  // name=value, name: value, "name":"value"
  [
    /((?:password|passwd|secret|token|authorization|api[-_]?key)["']?\s{0,4}[:=]\s{0,4})("[^"]*"|'[^']*'|[^\s"'&,;}]+)/gi,
    `$1${hidden}`
  ],
  // e-mail addresses, also in URLs
  [/[\w.+-]{1,64}(?:@|%40)(?:[\w-]{1,63}\.){1,6}[a-z]{2,24}\b/gi, "<email>"]
]

/** Whether any rule can match at all; most texts end here. */
const suspicious = /@|%40|Bearer|Basic|eyJ|passw|secret|token|authorization|cookie|api[-_]?key/i

/** Without credentials in URLs, bearer tokens, values of names that sound secret, and e-mail addresses. */
export const text = (value: string): string =>
  suspicious.test(value) ? rules.reduce((rest, [pattern, replacement]) => rest.replace(pattern, replacement), value) : value

/** On one line: nobody forges a line of the log, or moves the cursor of the terminal that shows it. */
export const oneLine = (value: string): string =>
  value.replace(/[\p{Cc}\u2028\u2029]/gu, (char) =>
    char === "\n" ? "\\n" : `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`)

/** Attributes that Effect's HTTP server sets and that tell who somebody is. */
const personal: ReadonlySet<string> = new Set(["client.address", "network.peer.address"])

const secretName = /passw|secret|token|authorization|cookie|api[-_]?key/i

/** What may be shown of a value with a name; undefined: nothing. */
export const attribute = <A>(name: string, value: A): A | string | undefined =>
  personal.has(name) ? undefined : secretName.test(name) ? hidden : typeof value === "string" ? text(value) : value

/** Query parameters that Effect is to leave out of spans and errors; instead of its own list, hence with the signatures on it. */
export const queryParameters: ReadonlyArray<RegExp> = [
  secretName,
  /e-?mail/i,
  /^(code|state)$/i,
  /^(sig|signature|AWSAccessKeyId)$/i,
  /^X-(Amz|Goog)-/i
]

const isAttribute = (item: unknown): item is { readonly key: string; readonly value: unknown } =>
  typeof item === "object" && item !== null && "key" in item && typeof item.key === "string" && "value" in item

/** Copies only what it changes: a thousand spans pass here at once. */
const walk = (value: unknown): unknown => {
  if (typeof value === "string") return text(value)
  if (typeof value !== "object" || value === null) return value
  if (Array.isArray(value)) {
    const walked = value.filter((item) => !isAttribute(item) || !personal.has(item.key)).map(walk)
    return walked.length === value.length && walked.every((item, i) => item === value[i]) ? value : walked
  }
  if (isAttribute(value) && secretName.test(value.key)) return { key: value.key, value: { stringValue: hidden } }
  let changed: Record<string, unknown> | undefined
  for (const [key, item] of Object.entries(value)) {
    const walked = walk(item)
    if (walked !== item) changed = { ...(changed ?? value), [key]: walked }
  }
  return changed ?? value
}

/** The same OTLP message with its texts redacted, its secrets hidden and its personal attributes left out. */
export const message = <A>(value: A): A => walk(value) as A
