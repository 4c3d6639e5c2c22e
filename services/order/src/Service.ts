import { Layer } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import * as Outbox from "@marketplace/events/Outbox"
import * as Relay from "@marketplace/events/Relay"
import { OrderApi } from "@marketplace/schema/Order/HttpApi"
import { layerGuards } from "@marketplace/service/Callers"
import { layerDatabase } from "@marketplace/service/Health"
import * as InvalidRequests from "@marketplace/service/InvalidRequests"
import { Idempotency } from "@marketplace/service/Idempotency"
import * as Pruning from "@marketplace/service/Idempotency/Pruning"
import { Checkout } from "./Checkout.ts"
import { Consumers } from "./Consumers.ts"
import { Expiry } from "./Expiry.ts"
import { Http } from "./Http.ts"
import { Orders } from "./Orders.ts"
import { OrderRepository } from "./Orders/Repository.ts"
import { Settings } from "./Settings.ts"

export { Rpc } from "./Rpc.ts"

/** Order and payment both have one, each in its own schema: in one process they must not share it. */
const idempotency = Layer.fresh(Idempotency.layer)

/** What the service can do. It asks for its database and for the other services; who launches it chooses them. */
export const application = Layer.mergeAll(Checkout.layer, Orders.layer).pipe(
  Layer.provideMerge(Layer.mergeAll(OrderRepository.layer, idempotency, Settings.layer)),
  Layer.provide(Outbox.Outbox.layer("order"))
)

/** Its part of the public API. */
export const routes = HttpApiBuilder.layer(OrderApi).pipe(Layer.provide(Http), Layer.provide([layerGuards, InvalidRequests.layer]))

/** What it does without being asked. */
export const work = Layer.mergeAll(Consumers, Expiry, Pruning.layer("order"), Relay.layer("order"), layerDatabase("order"))
