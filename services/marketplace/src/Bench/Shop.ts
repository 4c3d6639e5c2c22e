import { Effect, Redacted } from "effect"
import { SecureRandom } from "effect/crypto"
import { MemberId, SessionId } from "@marketplace/domain/User/Ids"
import { TokenSigner } from "@marketplace/service/Tokens"
import { type Answer, type Connection, must } from "./Load.ts"

/** What the workloads need to know of a product. */
export interface Offer {
  readonly id: string
  readonly variantId: string
  readonly price: { readonly amount: number; readonly currency: string }
  readonly seller: string
}

export const at = (value: unknown, ...path: ReadonlyArray<string | number>): unknown =>
  path.reduce<unknown>((inner, key) => typeof inner === "object" && inner !== null ? Reflect.get(inner, key) : undefined, value)
export const text = (value: unknown, ...path: ReadonlyArray<string | number>): string => String(at(value, ...path))

const offerOf = (product: unknown): Offer => ({
  id: text(product, "id"),
  variantId: text(product, "variants", 0, "id"),
  price: { amount: Number(at(product, "variants", 0, "price", "amount")), currency: text(product, "variants", 0, "price", "currency") },
  seller: text(product, "seller", "id")
})

/** The whole catalogue, page by page. */
export const browse = async (connection: Connection): Promise<ReadonlyArray<Offer>> => {
  const found: Array<Offer> = []
  let path: string | undefined = "/v1/products?limit=100"
  while (path !== undefined) {
    const answer: Answer = await connection.send("GET", path)
    must(answer.status === 200, "browse", answer)
    const items = at(answer.body, "items")
    if (Array.isArray(items)) found.push(...items.map(offerOf))
    const cursor = at(answer.body, "nextCursor")
    path = typeof cursor === "string" ? `/v1/products?limit=100&cursor=${encodeURIComponent(cursor)}` : undefined
  }
  return found
}

/** Access tokens of buyers who never were here before, made beforehand: hashing passwords is not what is measured. */
export const freshBuyers = (count: number) =>
  Effect.gen(function*() {
    const signer = yield* TokenSigner
    const random = yield* SecureRandom.SecureRandom
    return yield* Effect.forEach(Array.from({ length: count }), () =>
      Effect.gen(function*() {
        const memberId = MemberId.make(yield* random.uuidV7())
        const sessionId = SessionId.make(yield* random.uuidV7())
        return yield* signer.sign({ memberId, sessionId })
      }), { concurrency: 16 })
  })

export const tokens = (privatePem: string) => TokenSigner.layer(Redacted.make(privatePem))

let keys = 0
/** A key that was never used: `run` tells runs apart. */
const newKey = (run: string) => `${run}-${keys++}`

export interface Buyer {
  readonly token: string
  readonly run: string
}

const headers = ({ run, token }: Buyer) => ({ authorization: `Bearer ${token}`, "idempotency-key": newKey(run) })

/** Orders one piece of each. */
export const order = (connection: Connection, buyer: Buyer, offers: ReadonlyArray<Offer>) =>
  connection.send("POST", "/v1/orders", {
    lines: offers.map(({ variantId }) => ({ variantId, quantity: 1 })),
    expectedTotal: { amount: offers.reduce((sum, { price }) => sum + price.amount, 0), currency: offers[0]?.price.currency }
  }, headers(buyer))

/** Order, payment, approval at the provider, confirmation; every answer is checked. Gives the order's id. */
export const purchase = async (gateway: Connection, simulator: Connection, buyer: Buyer, offers: ReadonlyArray<Offer>): Promise<string> => {
  const placed = await order(gateway, buyer, offers)
  must(placed.status === 201 && text(placed.body, "status") === "AWAITING_PAYMENT", "order", placed)
  const orderId = text(placed.body, "id")
  const created = await gateway.send("POST", "/v1/payments", { orderId, method: "CARD" }, headers(buyer))
  must(created.status === 201 && text(created.body, "status") === "READY", "payment", created)
  const paymentId = text(created.body, "id")
  const amount = at(created.body, "amount")
  const approved = await simulator.send("POST", "/checkout/approvals", {
    paymentId,
    amount: Number(at(amount, "amount")),
    currency: text(amount, "currency"),
    method: "CARD"
  })
  must(approved.status === 200, "approval", approved)
  const confirmed = await gateway.send("POST", `/v1/payments/${paymentId}/confirmation`, {
    providerPaymentKey: text(approved.body, "paymentKey"),
    amount
  }, headers(buyer))
  must(confirmed.status === 200 && text(confirmed.body, "status") === "PAID", "confirmation", confirmed)
  return orderId
}

/** Asks until the order is PLACED. */
export const untilPlaced = async (gateway: Connection, { token }: Buyer, orderId: string): Promise<void> => {
  for (let n = 0; n < 600; n++) {
    const answer = await gateway.send("GET", `/v1/orders/${orderId}`, undefined, { authorization: `Bearer ${token}` })
    must(answer.status === 200, "read the order", answer)
    if (text(answer.body, "status") === "PLACED") return
    await new Promise((resume) => setTimeout(resume, 50))
  }
  throw new Error(`order ${orderId} is not placed after 30 s`)
}

/** Has the service itself answer. */
export const pastTheCache = { "cache-control": "no-cache" }

/** Asks until so many units of a product are sold. */
export const untilSold = async (gateway: Connection, { id }: Offer, sales: number): Promise<void> => {
  for (let n = 0; n < 600; n++) {
    const answer = await gateway.send("GET", `/v1/products/${id}`, undefined, pastTheCache)
    must(answer.status === 200, "read the product", answer)
    if (Number(at(answer.body, "sales")) >= sales) return
    await new Promise((resume) => setTimeout(resume, 50))
  }
  throw new Error(`product ${id} has not sold ${sales} after 30 s`)
}

