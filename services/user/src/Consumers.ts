import { Effect } from "effect"
import * as Consumer from "@marketplace/events/Consumer"
import { Members } from "./Members.ts"

/** What user does when it is told something; in the transaction that notes the event as consumed. */
export const Consumers = Consumer.layer("user", Effect.gen(function*() {
  const members = yield* Members
  return {
    OrderStatusChanged: {
      all: (told) => {
        const placed = told.filter(({ event: { scope, to } }) => scope === "order" && to === "PLACED")
        return placed.length === 0 ? Effect.void : members.countPurchases(placed.map(({ event: { memberId } }) => memberId))
      }
    }
  }
}))
