import { Layer } from "effect"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Callers } from "@marketplace/service/Callers"
import { UserClient } from "@marketplace/service/Clients"
import { Health } from "@marketplace/service/Health"
import * as Main from "@marketplace/service/Main"
import * as Process from "@marketplace/service/Process"
import { Revocations } from "@marketplace/service/Revocations"
import { TokenVerifier } from "@marketplace/service/Tokens"
import { ServiceTokens } from "@marketplace/service/Tokens/ServiceTokens"
import * as Telemetry from "@marketplace/telemetry/Telemetry"
import * as Gateway from "./Service.ts"
import * as Upstreams from "./Upstreams/Http.ts"

Gateway.serve(Process.address, Layer.empty).pipe(
  Layer.provide([Upstreams.layer, Callers.layer]),
  Layer.provide([Revocations.layerPolling, TokenVerifier.layerConfig]),
  Layer.provide(UserClient.layerHttp),
  Layer.provide([ServiceTokens.layerConfig("gateway"), Health.layer]),
  Layer.provide(NodeHttpClient.layerUndiciOptions({ connect: { timeout: 2000 } })),
  Layer.provide(Telemetry.layerConfig("gateway")),
  Main.launch
)
