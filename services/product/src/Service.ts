import { Layer } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import * as Relay from "@marketplace/events/Relay"
import { ProductApi } from "@marketplace/schema/Product/HttpApi"
import { layerGuards } from "@marketplace/service/Callers"
import { layerDatabase } from "@marketplace/service/Health"
import * as InvalidRequests from "@marketplace/service/InvalidRequests"
import * as SharedAnswers from "@marketplace/service/SharedAnswers"
import { Consumers } from "./Consumers.ts"
import { HoldReview } from "./HoldReview.ts"
import { Http } from "./Http.ts"
import { Products } from "./Products.ts"
import { Reservations } from "./Reservations.ts"
import { Settings } from "./Settings.ts"
import { StockRepository } from "./Stock/Repository.ts"

export { Rpc } from "./Rpc.ts"

/** What the service can do. It asks for its database with the outbox and for `ProductRepository`; who launches it chooses them. */
export const application = Reservations.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(Products.layer, StockRepository.layer)),
  Layer.provideMerge(Settings.layer)
)

/** Its part of the public API. */
export const routes = HttpApiBuilder.layer(ProductApi).pipe(
  Layer.provide(Http),
  Layer.provide([layerGuards, InvalidRequests.layer, SharedAnswers.layer])
)

/** What it does without being asked. */
export const work = Layer.mergeAll(Consumers, HoldReview, Relay.layer("product"), layerDatabase("product"))
