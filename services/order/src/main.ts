import { Layer } from "effect"
import * as Retention from "@marketplace/events/Retention"
import { layerKafka } from "@marketplace/events/TransportKafka"
import * as Database from "@marketplace/postgres/Database"
import { PaymentClient, ProductClient } from "@marketplace/service/Clients"
import * as Main from "@marketplace/service/Main"
import * as Process from "@marketplace/service/Process"
import { contracts, layerServerHttp } from "@marketplace/service/Rpc"
import * as Server from "@marketplace/service/Server"
import * as Prometheus from "@marketplace/telemetry/Prometheus"
import * as Order from "./Service.ts"

Server.serve(
  Layer.mergeAll(Order.routes, Prometheus.layer, layerServerHttp(contracts.order).pipe(Layer.provide(Order.Rpc))),
  { service: "order", ...Process.address }
).pipe(
  Layer.merge(Layer.merge(Order.work, Retention.layer("order", { log: false }))),
  Layer.provide(Order.application),
  Layer.provide([ProductClient.layerHttp, PaymentClient.layerHttp, layerKafka]),
  Layer.provide(Database.layerConfig("order")),
  Layer.provide(Process.layer("order")),
  Main.launch
)
