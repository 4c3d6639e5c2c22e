import { Layer } from "effect"
import * as Outbox from "@marketplace/events/Outbox"
import * as Retention from "@marketplace/events/Retention"
import { layerKafka } from "@marketplace/events/TransportKafka"
import { Mongo } from "@marketplace/mongo/Mongo"
import * as Database from "@marketplace/postgres/Database"
import { OrderClient } from "@marketplace/service/Clients"
import { layerCheck } from "@marketplace/service/Health"
import * as Main from "@marketplace/service/Main"
import * as Process from "@marketplace/service/Process"
import { contracts, layerServerHttp } from "@marketplace/service/Rpc"
import * as Server from "@marketplace/service/Server"
import * as Prometheus from "@marketplace/telemetry/Prometheus"
import * as PendingEvents from "./Products/PendingEvents.ts"
import * as ProductRepositoryMongo from "./Products/RepositoryMongo.ts"
import * as Product from "./Service.ts"

Server.serve(
  Layer.mergeAll(Product.routes, Prometheus.layer, layerServerHttp(contracts.product).pipe(Layer.provide(Product.Rpc))),
  { service: "product", ...Process.address }
).pipe(
  Layer.merge(Layer.mergeAll(Product.work, PendingEvents.layer, Retention.layer("product", { log: false }), layerCheck("product.mongodb", Mongo.use(({ ping }) => ping)))),
  Layer.provide(Product.application),
  Layer.provide(ProductRepositoryMongo.layer),
  Layer.provide([Outbox.Outbox.layer("product"), Mongo.layerConfig, OrderClient.layerHttp, layerKafka]),
  Layer.provide(Database.layerConfig("product")),
  Layer.provide(Process.layer("product")),
  Main.launch
)
