import { Layer } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import * as Outbox from "@marketplace/events/Outbox"
import * as Relay from "@marketplace/events/Relay"
import { PaymentApi } from "@marketplace/schema/Payment/HttpApi"
import { layerGuards } from "@marketplace/service/Callers"
import { layerDatabase } from "@marketplace/service/Health"
import * as InvalidRequests from "@marketplace/service/InvalidRequests"
import { Idempotency } from "@marketplace/service/Idempotency"
import * as Pruning from "@marketplace/service/Idempotency/Pruning"
import { Http } from "./Http.ts"
import { Payments } from "./Payments.ts"
import { PaymentRepository } from "./Payments/Repository.ts"
import { Settlement } from "./Payments/Settlement.ts"
import { Refunds } from "./Refunds.ts"
import { Resolver } from "./Resolver.ts"
import { Settings } from "./Settings.ts"

export { Rpc } from "./Rpc.ts"

/** Order and payment both have one, each in its own schema: in one process they must not share it. */
const idempotency = Layer.fresh(Idempotency.layer)

/** What the service can do. It asks for its database, order and a `PaymentGateway`; who launches it chooses them. */
export const application = Payments.layer.pipe(
  Layer.provideMerge(Settlement.layer),
  Layer.provideMerge(Layer.mergeAll(PaymentRepository.layer, idempotency, Settings.layer)),
  Layer.provide(Outbox.Outbox.layer("payment"))
)

/** Its part of the public API. */
export const routes = HttpApiBuilder.layer(PaymentApi).pipe(Layer.provide(Http), Layer.provide([layerGuards, InvalidRequests.layer]))

/** What it does without being asked. */
export const work = Layer.mergeAll(Resolver, Refunds, Pruning.layer("payment"), Relay.layer("payment"), layerDatabase("payment"))
