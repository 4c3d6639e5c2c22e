import { Config, Layer } from "effect"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as Database from "@marketplace/postgres/Database"
import { Health } from "@marketplace/service/Health"
import * as Main from "@marketplace/service/Main"
import * as Server from "@marketplace/service/Server"
import { SimulatorService } from "./Service.ts"

Server.serve(SimulatorService, {
  service: "simulator",
  port: Config.Port("PORT"),
  host: Config.String("HOST").pipe(Config.withDefault("127.0.0.1"))
}).pipe(
  Layer.provide([Database.layerConfig("simulator"), NodeCrypto.layerSecureRandom, Health.layer]),
  Main.launch
)
