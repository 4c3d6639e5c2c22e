import { Array, Effect, Layer, Option, Schema } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { Currency } from "@marketplace/domain/Money"
import { Approval } from "./Api.ts"
import { Faults } from "./Faults.ts"
import { Payments } from "./Payments.ts"

const Amount = Schema.NumberFromString.pipe(Schema.decodeTo(Approval.fields.amount))

/** Where the buyer goes on to: a page of the merchant. No other kind of address is ever linked. */
const SuccessUrl = Schema.URLFromString.check(
  Schema.makeFilter((url) => url.protocol === "http:" || url.protocol === "https:" || "an http or https address")
)

const Asked = Schema.Struct({
  ...Approval.fields,
  amount: Amount,
  currency: Currency,
  successUrl: Schema.optionalKey(SuccessUrl)
})

const Decided = Schema.Struct({ ...Asked.fields, decision: Schema.Literals(["approve", "decline"]) })

/** Text that is HTML already. */
class Html {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "\"": "&quot;", "'": "&#39;" }

/** Escapes whatever is put in, unless it is HTML. */
const html = (texts: TemplateStringsArray, ...values: ReadonlyArray<string | Html | ReadonlyArray<Html>>): Html =>
  new Html(String.raw({ raw: texts }, ...values.map((value) =>
    typeof value === "string"
      ? value.replaceAll(/[&<>"']/g, (character) => entities[character] ?? character)
      : Array.ensure(value).map(({ text }) => text).join("")
  )))

const page = (title: string, body: Html, status = 200) =>
  HttpServerResponse.text(
    html`<!doctype html>
<html lang="ko">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>
  body { font: 16px/1.6 system-ui, sans-serif; max-width: 28rem; margin: 10vh auto; padding: 0 1rem }
  body { color: #191f28; background: #f2f4f6 }
  main { background: #fff; border-radius: 16px; padding: 2rem }
  strong { display: block; font-size: 2rem }
  small, code { color: #6b7684; overflow-wrap: anywhere }
  button { font: inherit; width: 100%; padding: .8rem; margin-top: .8rem; border: 0; border-radius: 8px; cursor: pointer }
  button { background: #e5e8eb }
  button[value=approve] { background: #3182f6; color: #fff }
</style>
<main>
<h1>${title}</h1>
${body}
</main>
</html>`.text,
    {
      status,
      contentType: "text/html; charset=utf-8",
      headers: {
        "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff"
      }
    }
  )

/** Currencies with minor units show them: 1999 USD cents are $19.99. */
const shown = (amount: number, currency: Currency): string => {
  const format = new Intl.NumberFormat("ko-KR", { style: "currency", currency })
  return format.format(amount / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 0))
}

const methods = { CARD: "카드 Card", TRANSFER: "계좌이체 Bank transfer" } as const

const field = ([name, value]: readonly [string, string]) => html`<input type="hidden" name="${name}" value="${value}">`

const question = ({ amount, currency, method, paymentId, successUrl }: typeof Asked.Type) => {
  const fields = { paymentId, amount: String(amount), currency, method, ...(successUrl && { successUrl: successUrl.href }) }
  return page("모의 결제 · Test payment", html`
<p>${methods[method]}<strong>${shown(amount, currency)}</strong><small>${paymentId}</small></p>
<form method="post" action="checkout/decisions">
${Object.entries(fields).map(field)}
<button name="decision" value="approve">승인 Approve</button>
<button name="decision" value="decline">거절 Decline</button>
</form>
<small>실제 돈은 움직이지 않습니다. No real money moves.</small>`)
}

const goOn = (to: URL, parameters: Record<string, string>) => {
  const url = new URL(to)
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  return HttpServerResponse.redirect(url, { status: 303, headers: { "referrer-policy": "no-referrer" } })
}

const invalid = page("잘못된 요청 · Bad request", html`<p>결제 링크가 올바르지 않습니다. The payment link is not valid.</p>`, 400)
const down = page("점검 중 · Unavailable", html`<p>잠시 후 다시 시도해주세요. Try again later.</p>`, 503)

/**
 * The page on which a buyer approves or declines, as the provider's own. Then the buyer goes on to `successUrl` with
 * `paymentKey`, `orderId` and `amount`, or with `code=PAY_PROCESS_CANCELED`, as Toss Payments has it; without a
 * `successUrl` the page shows the key.
 */
export const CheckoutPage = Layer.unwrap(Effect.gen(function*() {
  const faults = yield* Faults
  const payments = yield* Payments

  const whileUp = <E, R>(answer: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
    Effect.flatMap(faults.isDown, (isDown) => isDown ? Effect.succeed(down) : answer)

  const ask = whileUp(HttpServerRequest.schemaSearchParams(Asked).pipe(
    Effect.match({ onFailure: () => invalid, onSuccess: question })
  ))

  const decide = Effect.fn(function*({ decision, successUrl, ...approval }: typeof Decided.Type) {
    const order = approval.paymentId
    if (decision === "decline") {
      const message = "사용자에 의해 결제가 취소되었습니다."
      return successUrl === undefined
        ? page("거절 · Declined", html`<p>${message} Nothing was charged.</p>`)
        : goOn(successUrl, { code: "PAY_PROCESS_CANCELED", message, orderId: order })
    }
    yield* faults.planByAmount(order, approval.amount)
    const approved = Option.getOrUndefined(yield* Effect.option(payments.approve(approval)))
    if (approved === undefined) return invalid
    return successUrl === undefined
      ? page("승인 · Approved", html`<p>상점으로 돌아가세요. Return to the shop.</p><code>${approved.paymentKey}</code>`)
      : goOn(successUrl, { paymentKey: approved.paymentKey, orderId: order, amount: String(approval.amount) })
  })

  return HttpRouter.addAll([
    HttpRouter.route("GET", "/checkout", ask),
    HttpRouter.route("POST", "/checkout/decisions", whileUp(
      HttpServerRequest.schemaBodyUrlParams(Decided).pipe(
        Effect.matchEffect({ onFailure: () => Effect.succeed(invalid), onSuccess: decide })
      )
    ))
  ])
}))
