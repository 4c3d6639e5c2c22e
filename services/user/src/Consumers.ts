import { Effect } from "effect"
import * as Consumer from "@marketplace/events/Consumer"
import { Members } from "./Members.ts"

/** What user does when it is told something; in the transaction that notes the event as consumed. */
export const Consumers = Consumer.layer("user", Effect.gen(function*() {
  const members = yield* Members
  return {
    OrderStatusChanged: ({ memberId, scope, to }) =>
      scope === "order" && to === "PLACED" ? members.countPurchase(memberId) : Effect.void
  }
}))
