import { Schema } from "effect"
import { SpanRecord } from "@marketplace/telemetry/SpanRecord"
import { demoPassword } from "../../src/Seed/Data.ts"

/** A marketplace that runs somewhere, and its provider. */
export interface Place {
  readonly gatewayUrl: string
  readonly simulatorUrl: string
  readonly tracesUrl: string
  readonly simulatorSecret: string
}

interface Answer {
  readonly status: number
  readonly body: any
  readonly traceId: string
}

const ask = async (url: string, method: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> => {
  const response = await fetch(url, {
    method,
    headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(15_000)
  })
  const text = await response.text()
  return { status: response.status, body: text === "" ? null : JSON.parse(text), traceId: response.headers.get("x-trace-id") ?? "" }
}

export const readTrace = async ({ tracesUrl }: Place, traceId: string): Promise<ReadonlyArray<SpanRecord>> =>
  Schema.decodeUnknownSync(Schema.Array(SpanRecord))((await ask(`${tracesUrl}/${traceId}`, "GET")).body)

/** Sends the same request again until it has an answer that is not "not now". */
const stubbornly = async (send: () => Promise<Answer>): Promise<Answer> => {
  const end = Date.now() + 60_000
  while (true) {
    const answer = await send().catch(() => undefined)
    const later = answer === undefined || answer.status >= 500 || answer.status === 429 || answer.body?.type === "/problems/request-in-flight"
    if (!later) return answer
    if (Date.now() > end) throw new Error(`no answer after a minute, the last one ${JSON.stringify(answer)}`)
    await new Promise((resume) => setTimeout(resume, 200))
  }
}

let count = 0

/** A buyer who repeats a request with its key when there is no answer, as clients should. */
export class Shopper {
  private readonly place: Place
  private readonly token: string

  private constructor(place: Place, token: string) {
    this.place = place
    this.token = token
  }

  static async logIn(place: Place, email: string): Promise<Shopper> {
    const { body, status } = await stubbornly(() => ask(`${place.gatewayUrl}/v1/auth/sessions`, "POST", { email, password: demoPassword }))
    if (status !== 201) throw new Error(`log-in: ${status} ${JSON.stringify(body)}`)
    return new Shopper(place, body.accessToken)
  }

  private post(path: string, body: unknown, key: string) {
    return stubbornly(() =>
      ask(this.place.gatewayUrl + path, "POST", body, { authorization: `Bearer ${this.token}`, "idempotency-key": key }))
  }

  private get(path: string) {
    return ask(this.place.gatewayUrl + path, "GET", undefined, { authorization: `Bearer ${this.token}` })
  }

  /** Orders one piece of two sellers' products each; gives the order's id. */
  async order(): Promise<string> {
    const { body: { items } } = await stubbornly(() => this.get("/v1/products?limit=2"))
    const lines = items.map((product: any) => ({ variantId: product.variants[0].id, quantity: 1 }))
    const amount = items.reduce((sum: number, product: any) => sum + product.variants[0].price.amount, 0)
    const placed = await this.post("/v1/orders", { lines, expectedTotal: { amount, currency: "KRW" } }, `order-${process.pid}-${count++}`)
    if (placed.status !== 201) throw new Error(`order: ${placed.status} ${JSON.stringify(placed.body)}`)
    return placed.body.id
  }

  /** Pays an order; gives the trace of the confirmation. */
  async pay(orderId: string): Promise<string> {
    const created = await this.post("/v1/payments", { orderId, method: "CARD" }, `payment-${orderId}`)
    if (created.status !== 201) throw new Error(`payment: ${created.status} ${JSON.stringify(created.body)}`)
    const { amount, id, method } = created.body
    const approved = await stubbornly(() =>
      ask(`${this.place.simulatorUrl}/checkout/approvals`, "POST", { paymentId: id, amount: amount.amount, currency: amount.currency, method }))
    const confirmed = await this.post(`/v1/payments/${id}/confirmation`, { providerPaymentKey: approved.body.paymentKey, amount }, `confirm-${id}`)
    if (confirmed.status !== 200) throw new Error(`confirmation: ${confirmed.status} ${JSON.stringify(confirmed.body)}`)
    return confirmed.traceId
  }

  /** A whole purchase; gives the trace of its confirmation. */
  async buy(): Promise<string> {
    return this.pay(await this.order())
  }

  /** A whole purchase, whatever dies meanwhile; gives the order's id. */
  async buyStubbornly(): Promise<string> {
    const orderId = await this.order()
    await this.pay(orderId)
    return orderId
  }

  async statusOf(orderId: string): Promise<string> {
    return (await this.get(`/v1/orders/${orderId}`)).body.status
  }

  /** How often the provider took money for the payments of an order. */
  async capturesOf(orderId: string): Promise<number> {
    const { body: payments } = await stubbornly(() => this.get(`/v1/payments?order=${orderId}`))
    const ids = new Set(payments.map(({ id }: any) => id))
    let captures = 0
    let after = 0
    while (true) {
      const { body } = await stubbornly(() =>
        ask(`${this.place.simulatorUrl}/journal?after=${after}&limit=1000`, "GET", undefined, {
          authorization: `Basic ${Buffer.from(`${this.place.simulatorSecret}:`).toString("base64")}`
        }))
      const entries: ReadonlyArray<any> = body.entries
      if (entries.length === 0) return captures
      captures += entries.filter(({ kind, orderId: payment }) => kind === "CAPTURE" && ids.has(payment)).length
      after = entries.at(-1).position
    }
  }
}
