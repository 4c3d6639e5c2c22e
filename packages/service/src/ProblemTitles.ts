interface Kind {
  /** The problem's `type`. */
  readonly type: string
  readonly title: string
}

const badRequest: Kind = { type: "/problems/bad-request", title: "The request cannot be understood" }
const internalError: Kind = {
  type: "/problems/internal-error",
  title: "Something went wrong on our side; tell us the traceId if it stays"
}

/** What HTTP itself refuses, before or beside any operation, by status. Operations declare theirs in `packages/schema`. */
export const transport: Readonly<Record<number, Kind>> = {
  400: badRequest,
  404: { type: "/problems/route-not-found", title: "There is nothing under this path" },
  405: { type: "/problems/method-not-allowed", title: "This path does not take this method; see the Allow header" },
  408: { type: "/problems/request-timeout", title: "The request took too long to arrive" },
  413: { type: "/problems/content-too-large", title: "The body is larger than this operation takes" },
  415: { type: "/problems/unsupported-media-type", title: "Send the body as application/json" },
  431: { type: "/problems/headers-too-large", title: "The headers are larger than the server takes" },
  500: internalError,
  503: { type: "/problems/unavailable", title: "The service cannot answer right now; send the same request again" }
}

/** The kind of a failure that says nothing but its status. */
export const ofStatus = (status: number): Kind => transport[status] ?? (status < 500 ? badRequest : internalError)

/** Titles by problem type for readers of Korean. The English ones are declared with the problems. */
export const korean: Readonly<Record<string, string>> = {
  "/problems/bad-request": "요청을 이해할 수 없습니다",
  "/problems/route-not-found": "이 경로에는 아무것도 없습니다",
  "/problems/method-not-allowed": "이 경로에서 사용할 수 없는 메서드입니다. Allow 헤더를 확인하세요",
  "/problems/request-timeout": "요청이 도착하는 데 너무 오래 걸렸습니다",
  "/problems/content-too-large": "본문이 허용된 크기보다 큽니다",
  "/problems/unsupported-media-type": "본문을 application/json 형식으로 보내 주세요",
  "/problems/headers-too-large": "헤더가 허용된 크기보다 큽니다",
  "/problems/internal-error": "서버에서 오류가 발생했습니다. 계속되면 traceId를 알려 주세요",
  "/problems/unavailable": "지금은 응답할 수 없습니다. 같은 요청을 다시 보내 주세요",
  "/problems/invalid-request": "요청이 올바르지 않습니다",
  "/problems/unauthenticated": "로그인이 필요합니다. 액세스 토큰이 없거나 만료되었거나 올바르지 않습니다",
  "/problems/forbidden": "이 작업을 할 권한이 없습니다",
  "/problems/idempotency-key-reused": "이 Idempotency-Key는 다른 요청에 이미 쓰였습니다. 새 키를 사용하세요",
  "/problems/request-in-flight": "같은 Idempotency-Key의 요청을 처리하고 있습니다. 잠시 후 다시 시도하세요",
  "/problems/cursor-invalid": "이 목록에서 발급한 커서가 아닙니다. 커서 없이 처음부터 다시 조회하세요",
  "/problems/wrong-credentials": "이메일 주소와 비밀번호가 활성 회원의 것이 아닙니다",
  "/problems/too-many-requests": "요청이 너무 많습니다. 잠시 후 다시 시도하세요",
  "/problems/too-many-logins": "로그인 요청이 너무 많습니다. 잠시 후 다시 시도하세요",
  "/problems/product-not-found": "판매 중인 상품이 아닙니다",
  "/problems/order-not-found": "해당 주문을 찾을 수 없습니다",
  "/problems/not-sellable": "판매하지 않는 상품이 있습니다. 빼고 다시 주문하세요",
  "/problems/total-differs": "상품 금액이 바뀌었습니다. 새 금액을 확인하고 다시 주문하세요",
  "/problems/order-rejected": "재고를 확보하지 못해 주문이 접수되지 않았습니다",
  "/problems/payment-not-found": "해당 결제를 찾을 수 없습니다",
  "/problems/not-payable": "지금은 결제할 수 없는 주문입니다",
  "/problems/wrong-amount": "결제 금액이 일치하지 않습니다. 결제되지 않았습니다",
  "/problems/not-confirmable": "지금 상태에서는 승인할 수 없는 결제입니다",
  "/problems/payment-declined": "결제가 거절되었습니다. 결제되지 않았으니 다른 결제 수단을 이용하세요"
}
