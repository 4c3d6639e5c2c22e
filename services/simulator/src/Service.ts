import { Layer } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Commands } from "@marketplace/service/Commands"
import { layerDatabase } from "@marketplace/service/Health"
import { SimulatorApi } from "./Api.ts"
import { CheckoutPage } from "./CheckoutPage.ts"
import { Faults } from "./Faults.ts"
import { Http } from "./Http.ts"
import { Payments } from "./Payments.ts"
import { Settings } from "./Settings.ts"

/**
 * A payment provider to test against, modelled on Toss Payments: all its routes. It asks for its database, randomness and
 * health; who launches it chooses them and the server. No real money moves.
 */
export const SimulatorService = Layer.mergeAll(
  HttpApiBuilder.layer(SimulatorApi).pipe(Layer.provide(Http)),
  CheckoutPage,
  layerDatabase("simulator")
).pipe(
  Layer.provide([Payments.layer, Faults.layer]),
  Layer.provide([Settings.layer, Commands.layer])
)
