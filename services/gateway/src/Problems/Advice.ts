/** By slug: what a problem means, and what to do about it. Its title and status are declared with the problem. */
export const advice: Readonly<Record<string, { readonly means: string; readonly todo: string }>> = {
  "bad-request": {
    means: "What arrived is not HTTP as we understand it, so no operation has seen it.",
    todo: "Look at what your client sends; an HTTP library does not get here."
  },
  "route-not-found": {
    means: "No operation lives under this path.",
    todo: "Compare the path with the documentation at /docs. Versions are part of it: /v1/…"
  },
  "method-not-allowed": {
    means: "The path exists, but not with this method.",
    todo: "Use one of the methods in the Allow header."
  },
  "request-timeout": {
    means: "The request did not arrive completely in time. Nothing was done.",
    todo: "Send it again, over a better connection if it happens often."
  },
  "content-too-large": {
    means: "The body is larger than any request of this API needs to be. Nothing was done.",
    todo: "Send less, for instance fewer lines in one order."
  },
  "unsupported-media-type": {
    means: "The body is of a type that the operation does not read.",
    todo: "Send JSON and say so: Content-Type: application/json."
  },
  "headers-too-large": {
    means: "All headers together are larger than the server reads.",
    todo: "Send fewer cookies or a shorter token; ours are short."
  },
  "internal-error": {
    means: "We made a mistake, and cannot say whether something was done. With an Idempotency-Key nothing is done twice.",
    todo: "Send the same request with the same Idempotency-Key again. If it stays, tell support the traceId."
  },
  "unavailable": {
    means: "Something that the operation needs is away for a moment.",
    todo: "Wait as long as Retry-After says and send the same request again, with the same Idempotency-Key."
  },
  "too-many-requests": {
    means: "Your address asked for more than its share of this minute. The request was not looked at.",
    todo: "Wait as long as Retry-After says. The RateLimit header of every answer tells what is left."
  },
  "invalid-request": {
    means: "The request is not what the contract says. Fields that the contract does not know are refused, too.",
    todo: "Correct what errors lists: each entry says where (in, and pointer as a JSON Pointer) and what."
  },
  "unauthenticated": {
    means: "The operation is for members, and the access token is missing, expired, or its session has ended.",
    todo: "Log in with POST /v1/auth/sessions and send the token: Authorization: Bearer …"
  },
  "forbidden": {
    means: "You are known, but your role does not include this operation.",
    todo: "Use an account that may do it; asking again changes nothing."
  },
  "wrong-credentials": {
    means: "No active member has this e-mail address with this password. Which of them is wrong is not told.",
    todo: "Try again, or reset the password."
  },
  "too-many-logins": {
    means: "More people are logging in than passwords can be checked. Yours was not looked at.",
    todo: "Wait as long as Retry-After says and log in again."
  },
  "idempotency-key-reused": {
    means: "The key came with another body before. It names one intent and stays with it for 24 hours.",
    todo: "Make a new key for a new intent; to repeat the old one, send exactly the old body."
  },
  "request-in-flight": {
    means: "The first request with this key has no result yet.",
    todo: "Wait as long as Retry-After says and send it again with the same key: you get the result of the first one."
  },
  "cursor-invalid": {
    means: "The cursor was not given out by this list, or the filter has changed since.",
    todo: "Start again without a cursor, and use nextCursor as it comes."
  },
  "product-not-found": {
    means: "There is no such product, or it is not on sale.",
    todo: "Take it off the page; search for another one."
  },
  "order-not-found": {
    means: "There is no such order, or it is somebody else's.",
    todo: "List your orders with GET /v1/orders."
  },
  "not-sellable": {
    means: "The goods in variantIds are not sold at the moment. Nothing was ordered.",
    todo: "Take them out and order again with a new Idempotency-Key."
  },
  "total-differs": {
    means: "A price has changed since the buyer saw it: expected is what you sent, actual what it would be. Nothing was ordered.",
    todo: "Show the new sum, and order again with it and a new Idempotency-Key."
  },
  "order-rejected": {
    means: "The order was made and ended at once, because the goods could not be held; reason says why. Nothing is to be paid.",
    todo: "Change what is ordered and order again with a new Idempotency-Key."
  },
  "payment-not-found": {
    means: "There is no such payment, or it is somebody else's.",
    todo: "List the payments of your order with GET /v1/payments?order=…"
  },
  "not-payable": {
    means: "The order takes no payment now. The reason: it is paid already, another payment is under way, or it is too late.",
    todo: "Read the order, and its payments, before you offer to pay again."
  },
  "wrong-amount": {
    means: "The amount that was to be captured is not the payment's. Nothing was charged.",
    todo: "Confirm with the amount of the payment as it was created."
  },
  "not-confirmable": {
    means: "The payment is in a state (paymentStatus) from which it cannot be captured.",
    todo: "Read the payment: it may be paid already. Otherwise create another one."
  },
  "payment-declined": {
    means: "The provider said no; reason is in its words. Nothing was charged, and the order waits until its deadline.",
    todo: "Let the buyer choose another method and create a new payment."
  }
}
