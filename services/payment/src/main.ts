import { Layer } from "effect"
import * as Retention from "@marketplace/events/Retention"
import { layerKafka } from "@marketplace/events/TransportKafka"
import * as Database from "@marketplace/postgres/Database"
import { OrderClient } from "@marketplace/service/Clients"
import * as Main from "@marketplace/service/Main"
import * as Process from "@marketplace/service/Process"
import { contracts, layerServerHttp } from "@marketplace/service/Rpc"
import * as Server from "@marketplace/service/Server"
import * as Prometheus from "@marketplace/telemetry/Prometheus"
import { layerSimulator } from "./PaymentGateway/Simulator.ts"
import * as Payment from "./Service.ts"

Server.serve(
  Layer.mergeAll(Payment.routes, Prometheus.layer, layerServerHttp(contracts.payment).pipe(Layer.provide(Payment.Rpc))),
  { service: "payment", ...Process.address }
).pipe(
  Layer.merge(Layer.merge(Payment.work, Retention.layer("payment", { log: false }))),
  Layer.provide(Payment.application),
  Layer.provide([OrderClient.layerHttp, layerSimulator, layerKafka]),
  Layer.provide(Database.layerConfig("payment")),
  Layer.provide(Process.layer("payment")),
  Main.launch
)
