import { Agent, request } from "node:http"

/** What one request got. */
export interface Answer {
  readonly status: number
  readonly body: unknown
}

/** One connection that is kept alive: a closed loop sends its next request when it has its answer. */
export interface Connection {
  readonly send: (method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>) => Promise<Answer>
  readonly close: () => void
  /** How many requests it has sent. */
  readonly sent: () => number
}

export const connect = (base: string): Connection => {
  let requests = 0
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const { hostname, port } = new URL(base)
  return {
    close: () => agent.destroy(),
    sent: () => requests,
    send: (method, path, body, headers = {}) =>
      new Promise((resolve, reject) => {
        requests++
        const text = body === undefined ? undefined : JSON.stringify(body)
        const sent = request({
          agent,
          hostname,
          port,
          method,
          path,
          headers: { ...(text === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(text) }), ...headers }
        }, (response) => {
          const chunks: Array<Buffer> = []
          response.on("data", (chunk: Buffer) => chunks.push(chunk))
          response.on("end", () => {
            const got = Buffer.concat(chunks).toString()
            resolve({ status: response.statusCode ?? 0, body: got === "" ? null : JSON.parse(got) })
          })
          response.on("error", reject)
        })
        sent.on("error", reject)
        sent.end(text)
      })
  }
}

/** How long operations took, in milliseconds. */
export interface Timing {
  readonly operations: number
  readonly seconds: number
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
  /** Sent to the servers, all operations together. */
  readonly requests: number
}

export const quantile = (sorted: ReadonlyArray<number>, share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0

/**
 * Runs an operation `count` times over so many connections, each in a closed loop.
 *
 * @param operation throws when the answer is not what it must be: a fast wrong answer is worth nothing
 */
export const run = async (
  base: string,
  { connections, count }: { readonly connections: number; readonly count: number },
  operation: (connection: Connection, n: number) => Promise<void>
): Promise<Timing> => {
  const times: Array<number> = []
  let next = 0
  let requests = 0
  const begun = performance.now()
  await Promise.all(Array.from({ length: connections }, async () => {
    const connection = connect(base)
    try {
      for (let n = next++; n < count; n = next++) {
        const before = performance.now()
        await operation(connection, n)
        times.push(performance.now() - before)
      }
    } finally {
      requests += connection.sent()
      connection.close()
    }
  }))
  const seconds = (performance.now() - begun) / 1000
  times.sort((a, b) => a - b)
  const operations = times.length
  return { operations, seconds, perSecond: operations / seconds, p50: quantile(times, 0.5), p99: quantile(times, 0.99), requests }
}

/** @throws unless it holds */
export const must = (holds: boolean, what: string, answer: Answer): void => {
  if (!holds) throw new Error(`${what}: got ${answer.status} ${JSON.stringify(answer.body)?.slice(0, 500)}`)
}
