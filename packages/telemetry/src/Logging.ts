import { Cause, Console, Formatter, Logger, References } from "effect"
import { Service } from "./Names.ts"
import * as Redaction from "./Redaction.ts"
import * as TraceContext from "./TraceContext.ts"

interface Entry {
  readonly message: string
  /** Also of errors that were logged like a message: those of drivers have rows and parameters as properties. */
  readonly cause: string | undefined
  readonly service: string
  readonly trace: { readonly trace_id: string; readonly span_id: string } | undefined
  readonly attributes: Readonly<Record<string, unknown>>
}

const entryOf = ({ cause, date, fiber, message }: Logger.Options<unknown>, service: string): Entry => {
  const parts = Array.isArray(message) ? message : [message]
  const errors = parts.filter((part) => part instanceof Error)
  const causes = [cause, ...errors.map((error) => Cause.fail(error))].filter(({ reasons }) => reasons.length > 0)
  const { [Service.name]: own, ...annotations } = fiber.getRef(References.CurrentLogAnnotations)
  const span = TraceContext.nearest(fiber.cache.span)
  const attributes: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(annotations)) attributes[key] = Redaction.attribute(key, plain(value))
  for (const [label, start] of fiber.getRef(References.CurrentLogSpans)) attributes[`${label}_ms`] = date.getTime() - start
  return {
    message: Redaction.text(parts.filter((part) => !(part instanceof Error)).map(plain).join(" ")),
    cause: causes.length === 0 ? undefined : Redaction.text(causes.map((one) => Cause.pretty(one)).join("\n")),
    service: typeof own === "string" ? own : service,
    trace: span && { trace_id: span.traceId, span_id: span.spanId },
    attributes
  }
}

/** `format`, unlike `formatJson`, does not show the properties of an error inside. */
const plain = (value: unknown) =>
  typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? value : Formatter.format(value)

/** To stdout, or to stderr where a command keeps stdout for its result. */
const printed = (format: (options: Logger.Options<unknown>) => string) =>
  Logger.make<unknown, void>((options) => {
    const console = options.fiber.getRef(Console.Console)
    const line = format(options)
    return options.fiber.getRef(References.LogToStderr) ? console.error(line) : console.log(line)
  })

/** One JSON object per line: timestamp, level, service, trace_id and span_id if there is a span, message, cause, attributes. */
export const json = (service: string): Logger.Logger<unknown, void> =>
  printed((options) => {
    const { attributes, cause, message, service: name, trace } = entryOf(options, service)
    return JSON.stringify({
      timestamp: options.date.toISOString(),
      level: options.logLevel.toUpperCase(),
      service: name,
      ...trace,
      message,
      cause,
      ...(Object.keys(attributes).length > 0 ? { attributes } : {})
    })
  })

const colors: Readonly<Record<string, string>> = { Warn: "\x1b[33m", Error: "\x1b[31m", Fatal: "\x1b[31;1m" }

/** For people: one line, which text from elsewhere cannot break, and the cause indented below it. */
export const pretty = (service: string, colored: boolean): Logger.Logger<unknown, void> =>
  printed((options) => {
    const { attributes, cause, message, service: name, trace } = entryOf(options, service)
    const color = colored ? colors[options.logLevel] : undefined
    const level = options.logLevel.toUpperCase().padEnd(5)
    return [
      options.date.toISOString().slice(11, 23),
      color === undefined ? level : `${color}${level}\x1b[0m`,
      name.padEnd(8),
      Redaction.oneLine(message),
      ...Object.entries(attributes).map(([key, value]) => Redaction.oneLine(`${key}=${value}`)),
      ...(trace === undefined ? [] : [`trace=${trace.trace_id}`])
    ].join(" ") + (cause === undefined ? "" : `\n${cause.split("\n").map((line) => `    ${Redaction.oneLine(line)}`).join("\n")}`)
  })
