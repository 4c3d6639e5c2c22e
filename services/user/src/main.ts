import { Layer } from "effect"
import * as Retention from "@marketplace/events/Retention"
import { layerKafka } from "@marketplace/events/TransportKafka"
import * as Database from "@marketplace/postgres/Database"
import { Redis } from "@marketplace/redis/Redis"
import * as Main from "@marketplace/service/Main"
import * as Process from "@marketplace/service/Process"
import { contracts, layerServerHttp } from "@marketplace/service/Rpc"
import * as Server from "@marketplace/service/Server"
import * as Prometheus from "@marketplace/telemetry/Prometheus"
import { TokenSigner } from "@marketplace/service/Tokens"
import * as User from "./Service.ts"
import * as SessionRepositoryRedis from "./Sessions/RepositoryRedis.ts"

Server.serve(
  Layer.mergeAll(User.routes, Prometheus.layer, layerServerHttp(contracts.user).pipe(Layer.provide(User.Rpc))),
  { service: "user", ...Process.address }
).pipe(
  Layer.merge(Layer.merge(User.work, Retention.layer("user", { log: false }))),
  Layer.provide(User.application),
  Layer.provide(SessionRepositoryRedis.layer),
  Layer.provide([layerKafka, Redis.layerConfig, TokenSigner.layerConfig]),
  Layer.provide(Database.layerConfig("user")),
  Layer.provide(Process.layer("user")),
  Main.launch
)
