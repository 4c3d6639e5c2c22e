import { Effect, Layer } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { SqlClient } from "effect/sql"
import { Commands } from "@marketplace/service/Commands"
import { Health } from "@marketplace/service/Health"
import { SimulatorApi } from "./Api.ts"
import { CheckoutPage } from "./CheckoutPage.ts"
import { Faults } from "./Faults.ts"
import { Http } from "./Http.ts"
import { Payments } from "./Payments.ts"
import { Settings } from "./Settings.ts"

const databaseCheck = Layer.effectDiscard(Effect.gen(function*() {
  const health = yield* Health
  const sql = yield* SqlClient.SqlClient
  yield* health.register("simulator.database", sql`select 1`.pipe(Effect.asVoid))
}))

/**
 * A payment provider to test against, modelled on Toss Payments: all its routes. It asks for its database, randomness and
 * health; who launches it chooses them and the server. No real money moves.
 */
export const SimulatorService = Layer.mergeAll(
  HttpApiBuilder.layer(SimulatorApi).pipe(Layer.provide(Http)),
  CheckoutPage,
  databaseCheck
).pipe(
  Layer.provide([Payments.layer, Faults.layer]),
  Layer.provide([Settings.layer, Commands.layer])
)
