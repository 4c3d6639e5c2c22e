import { request } from "node:http"

/** What a client knows after its request: an answer, or nothing about whether it was done. */
export type Outcome =
  | { readonly kind: "answer"; readonly status: number; readonly body: unknown; readonly replayed: boolean }
  | { readonly kind: "lost"; readonly why: string }

export interface Request {
  readonly method: "GET" | "POST" | "PUT"
  readonly path: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export interface Options {
  /** Closes the connection after so many milliseconds, whatever came. */
  readonly hangUpAfter?: number
}

/** No client waits longer, in milliseconds. */
const patience = 8_000

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** On a connection of its own; never rejects. */
export const send = (base: string, { body, headers, method, path }: Request, { hangUpAfter }: Options = {}): Promise<Outcome> =>
  new Promise((resolve) => {
    const text = body === undefined ? undefined : JSON.stringify(body)
    const limit = hangUpAfter ?? patience
    const lost = (why: string) => {
      clearTimeout(timer)
      resolve({ kind: "lost", why })
    }
    const sent = request(new URL(path, base), {
      agent: false,
      method,
      headers: { ...(text === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(text) }), ...headers }
    }, (response) => {
      const chunks: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.on("error", (error) => lost(error.message))
      response.on("close", () => response.complete || lost("the answer was cut"))
      response.on("end", () => {
        if (!response.complete) return
        clearTimeout(timer)
        resolve({
          kind: "answer",
          status: response.statusCode ?? 0,
          body: parse(Buffer.concat(chunks).toString()),
          replayed: response.headers["idempotency-replayed"] === "true"
        })
      })
    })
    const timer = setTimeout(() => {
      sent.destroy()
      lost(hangUpAfter === undefined ? `no answer within ${limit} ms` : "hung up")
    }, limit)
    sent.on("error", (error) => lost(error.message))
    sent.end(text)
  })

const at = (value: unknown, key: string | number): unknown => typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined

/** What is found in a JSON value on the way of these keys. */
export const field = (value: unknown, ...path: ReadonlyArray<string | number>): unknown => path.reduce(at, value)

/** The same as text; empty where nothing is. */
export const textAt = (value: unknown, ...path: ReadonlyArray<string | number>): string => {
  const found = field(value, ...path)
  return typeof found === "string" || typeof found === "number" ? String(found) : ""
}

export const listAt = (value: unknown, ...path: ReadonlyArray<string | number>): ReadonlyArray<unknown> => {
  const found = field(value, ...path)
  return Array.isArray(found) ? found : []
}
