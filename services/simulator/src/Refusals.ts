import { Schema } from "effect"

/** What each code says to a person. Those with `PAYMENT_AMOUNT_MISMATCH` as the exception are Toss Payments' codes. */
const messages = {
  INVALID_REQUEST: "잘못된 요청입니다.",
  ALREADY_PROCESSED_PAYMENT: "이미 처리된 결제 입니다.",
  ALREADY_CANCELED_PAYMENT: "이미 취소된 결제 입니다.",
  DUPLICATED_ORDER_ID: "이미 다른 내용으로 승인된 주문번호입니다.",
  REFUND_REJECTED: "환불이 거절됐습니다. 결제사에 문의 부탁드립니다.",
  UNAUTHORIZED_KEY: "인증되지 않은 시크릿 키 입니다.",
  REJECT_CARD_PAYMENT: "한도초과 혹은 잔액부족으로 결제에 실패했습니다.",
  REJECT_ACCOUNT_PAYMENT: "잔액부족으로 결제에 실패했습니다.",
  PAYMENT_AMOUNT_MISMATCH: "구매자가 승인한 금액과 다릅니다.",
  NOT_CANCELABLE_PAYMENT: "취소 할 수 없는 결제 입니다.",
  NOT_CANCELABLE_AMOUNT: "취소 할 수 없는 금액 입니다.",
  NOT_FOUND_PAYMENT: "존재하지 않는 결제 입니다.",
  NOT_FOUND_PAYMENT_SESSION: "결제 시간이 만료되어 결제 진행 데이터가 존재하지 않습니다.",
  FAILED_INTERNAL_SYSTEM_PROCESSING: "내부 시스템 처리 작업이 실패했습니다. 잠시 후 다시 시도해주세요.",
  SERVICE_UNAVAILABLE: "점검 중입니다."
} as const

type Code = keyof typeof messages

/** The body of every refusal, whatever its status. */
const body = <const C extends ReadonlyArray<Code>>(codes: C) => ({ code: Schema.Literals(codes), message: Schema.String })

/** The request or the payment's state does not allow it. */
export class Refused extends Schema.Error<Refused>("Refused")(
  body(["INVALID_REQUEST", "ALREADY_PROCESSED_PAYMENT", "ALREADY_CANCELED_PAYMENT", "DUPLICATED_ORDER_ID", "REFUND_REJECTED"]),
  { httpApiStatus: 400 }
) {}

export class Unauthorized extends Schema.Error<Unauthorized>("Unauthorized")(body(["UNAUTHORIZED_KEY"]), {
  httpApiStatus: 401
}) {}

/** The buyer's bank or the amount does not allow it. */
export class Rejected extends Schema.Error<Rejected>("Rejected")(
  body([
    "REJECT_CARD_PAYMENT", "REJECT_ACCOUNT_PAYMENT", "PAYMENT_AMOUNT_MISMATCH", "NOT_CANCELABLE_PAYMENT", "NOT_CANCELABLE_AMOUNT"
  ]),
  { httpApiStatus: 403 }
) {}

export class NotFound extends Schema.Error<NotFound>("NotFound")(
  body(["NOT_FOUND_PAYMENT", "NOT_FOUND_PAYMENT_SESSION"]),
  { httpApiStatus: 404 }
) {}

export class ServerFailed extends Schema.Error<ServerFailed>("ServerFailed")(body(["FAILED_INTERNAL_SYSTEM_PROCESSING"]), {
  httpApiStatus: 500
}) {}

export class Down extends Schema.Error<Down>("Down")(body(["SERVICE_UNAVAILABLE"]), { httpApiStatus: 503 }) {}

/** The code with its message: `new Refused(saying("INVALID_REQUEST"))`. */
export const saying = <const C extends Code>(code: C): { readonly code: C; readonly message: string } => ({
  code,
  message: messages[code]
})
