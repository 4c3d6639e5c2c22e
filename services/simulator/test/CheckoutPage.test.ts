import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SecureRandom } from "effect/crypto"
import { HttpClient, HttpClientRequest, HttpServer } from "effect/http"
import { PaymentId } from "@marketplace/domain/Payment/Ids"
import { client, World } from "./World.ts"

layer(World, { excludeTestServices: true })("checkout page", (it) => {
  const link = (more: Record<string, string> = {}) =>
    Effect.gen(function*() {
      const paymentId = PaymentId.make(yield* (yield* SecureRandom.SecureRandom).uuidV7())
      return { paymentId, amount: "15000", currency: "KRW", method: "CARD", ...more }
    })

  const open = (query: Record<string, string>) =>
    Effect.gen(function*() {
      const { address } = yield* HttpServer.HttpServer
      const url = `${HttpServer.formatAddress(address)}/checkout`
      const response = yield* HttpClient.get(url, { urlParams: query })
      return { status: response.status, headers: response.headers, text: yield* response.text }
    })

  const submit = (form: Record<string, string>) =>
    Effect.gen(function*() {
      const { address } = yield* HttpServer.HttpServer
      const http = yield* HttpClient.HttpClient
      const response = yield* HttpClientRequest.post(`${HttpServer.formatAddress(address)}/checkout/decisions`).pipe(
        HttpClientRequest.bodyUrlParams(form),
        http.execute
      )
      return { status: response.status, location: response.headers["location"], text: yield* response.text }
    })

  const characters: Record<string, string> = { "&quot;": "\"", "&#39;": "'", "&lt;": "<", "&gt;": ">", "&amp;": "&" }

  /** What a browser would send for the form of a page, button apart. */
  const fieldsOf = (text: string) =>
    Object.fromEntries(
      [...text.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g)].map(([, name = "", value = ""]) => [
        name,
        value.replaceAll(/&[^;]*;/g, (entity) => characters[entity] ?? entity)
      ])
    )

  it.effect("shows what is to be paid, in both languages, and lets nothing else run", () => Effect.gen(function*() {
    const page = yield* open(yield* link())
    assert.strictEqual(page.status, 200)
    assert.include(page.text, "₩15,000")
    assert.include(page.text, "승인 Approve")
    assert.include(page.headers["content-security-policy"], "default-src 'none'")
    const dollars = yield* open(yield* link({ amount: "1999", currency: "USD" }))
    assert.include(dollars.text, "19.99")
  }))

  it.effect("goes on to the shop after an approval, with what the shop has to confirm", () => Effect.gen(function*() {
    const asked = yield* link({ successUrl: "https://shop.example/orders/1?step=pay" })
    const page = yield* open(asked)
    const { location, status } = yield* submit({ ...fieldsOf(page.text), decision: "approve" })
    assert.strictEqual(status, 303)
    const to = new URL(location ?? "")
    assert.strictEqual(to.origin + to.pathname, "https://shop.example/orders/1")
    assert.strictEqual(to.searchParams.get("step"), "pay")
    const { payments } = yield* client
    const found = yield* payments.find({ params: { orderId: PaymentId.make(asked.paymentId) } })
    assert.containSubset(found, { status: "IN_PROGRESS", paymentKey: to.searchParams.get("paymentKey"), totalAmount: 15_000 })
    const again = yield* submit({ ...fieldsOf(page.text), decision: "approve" })
    assert.strictEqual(again.location, location)
  }))

  it.effect("goes on with a code after a decline, and the buyer may still approve", () => Effect.gen(function*() {
    const asked = yield* link({ successUrl: "https://shop.example/back" })
    const { location, status } = yield* submit({ ...asked, decision: "decline" })
    assert.strictEqual(status, 303)
    assert.strictEqual(new URL(location ?? "").searchParams.get("code"), "PAY_PROCESS_CANCELED")
    const { payments } = yield* client
    const unknown = yield* Effect.flip(payments.find({ params: { orderId: PaymentId.make(asked.paymentId) } }))
    assert.containSubset(unknown, { code: "NOT_FOUND_PAYMENT" })
    assert.strictEqual((yield* submit({ ...asked, decision: "approve" })).status, 303)
  }))

  it.effect("shows the key when there is no shop to go on to", () => Effect.gen(function*() {
    const asked = yield* link()
    const { status, text } = yield* submit({ ...asked, decision: "approve" })
    const { payments } = yield* client
    const { paymentKey } = yield* payments.find({ params: { orderId: PaymentId.make(asked.paymentId) } })
    assert.strictEqual(status, 200)
    assert.include(text, `<code>${paymentKey}</code>`)
  }))

  it.effect("puts nothing of the link into the page as it came", () => Effect.gen(function*() {
    const nasty = "https://shop.example/?q=\"><script>alert(1)</script>'&lt;#\"onload='x"
    const page = yield* open(yield* link({ successUrl: nasty }))
    assert.strictEqual(page.status, 200)
    assert.notInclude(page.text, "<script")
    assert.notMatch(page.text, /value="[^"]*"[^>\s]/)
    assert.strictEqual(fieldsOf(page.text)["successUrl"], new URL(nasty).href)
    for (const name of ["paymentId", "amount", "currency", "method"]) {
      const refused = yield* open(yield* link({ [name]: "\"><script>alert(1)</script>" }))
      assert.strictEqual(refused.status, 400)
      assert.notInclude(refused.text, "script")
    }
  }))

  it.effect("sends nobody to an address that is no web page", () => Effect.gen(function*() {
    for (const successUrl of ["javascript:alert(1)", "data:text/html,x", "//evil.example", "/orders", "file:///etc/passwd"]) {
      const asked = yield* link({ successUrl })
      assert.strictEqual((yield* open(asked)).status, 400, successUrl)
      assert.strictEqual((yield* submit({ ...asked, decision: "approve" })).status, 400, successUrl)
    }
  }))

  it.effect("is unavailable while the provider is down", () => Effect.gen(function*() {
    const { control } = yield* client
    const asked = yield* link()
    yield* control.switch({ payload: { down: true } })
    assert.strictEqual((yield* open(asked)).status, 503)
    assert.strictEqual((yield* submit({ ...asked, decision: "approve" })).status, 503)
    yield* control.switch({ payload: { down: false } })
    assert.strictEqual((yield* open(asked)).status, 200)
  }))
})
