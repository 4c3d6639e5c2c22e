import { assert, describe, layer } from "@effect/vitest"
import { Effect, Struct } from "effect"
import { consumed, published } from "@marketplace/schema/Topology"
import * as Access from "./purchase/Access.ts"
import * as Books from "./purchase/Books.ts"
import * as Checkout from "./purchase/Checkout.ts"
import * as Expiry from "./purchase/Expiry.ts"
import * as Idempotency from "./purchase/Idempotency.ts"
import * as Payment from "./purchase/Payment.ts"
import * as Purchase from "./purchase/Purchase.ts"
import * as Recovery from "./purchase/Recovery.ts"
import * as World from "./purchase/World.ts"

const impatience = {
  ORDER_PAYMENT_WINDOW: "1 second",
  ORDER_PLACING_TIMEOUT: "1 millis",
  PRODUCT_HOLD_REVIEW: "1 millis",
  PRODUCT_SWEEP_INTERVAL: "20 millis"
}

/** What a purchase promises, however the services are joined. */
export const purchaseSuite = (services: World.Services) => {
  layer(World.layer(services), { excludeTestServices: true, timeout: "60 seconds" })("purchases", (it) => {
    describe("at the same time", { concurrent: true }, () => {
      // those that wait for long come first
      Expiry.cases(it)
      Recovery.cases(it)
      Payment.cases(it)
      Purchase.cases(it)
      Idempotency.cases(it)
      Checkout.cases(it)
      Access.cases(it)
    })

    describe("by itself", () => {
      Checkout.flashSale(it)
      Payment.providerAway(it)
    })

    describe("afterwards", () => {
      it.effect("money, goods and events are all accounted for", () => Books.agree)

      it.effect("what was told and what was acted on is what the topology says", () => Effect.gen(function*() {
        for (const context of Struct.keys(published)) {
          assert.deepStrictEqual(yield* Books.told(context), Object.keys(published[context]).sort())
          assert.deepStrictEqual(yield* Books.acted(context), [...consumed[context]].sort())
        }
      }))
    })
  })

  layer(World.layer(services, impatience), { excludeTestServices: true, timeout: "60 seconds" })(
    "with a second to pay",
    (it) => {
      Expiry.impatient(it)
      it.effect("goods are accounted for", () => Books.agree)
    }
  )
}
