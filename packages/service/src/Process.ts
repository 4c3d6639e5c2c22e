import { Config, Layer } from "effect"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import type { ServiceName } from "@marketplace/schema/Access"
import * as Telemetry from "@marketplace/telemetry/Telemetry"
import { Callers } from "./Callers.ts"
import { UserClient } from "./Clients.ts"
import { Commands } from "./Commands.ts"
import { Cursor } from "./Cursor.ts"
import { Health } from "./Health.ts"
import { Revocations } from "./Revocations.ts"
import { TokenVerifier } from "./Tokens.ts"
import { ServiceTokens } from "./Tokens/ServiceTokens.ts"

/** Where a service's process listens: `PORT`, and `HOST`, which is 127.0.0.1 unless a container says otherwise. */
export const address = {
  port: Config.Port("PORT"),
  host: Config.String("HOST").pipe(Config.withDefault("127.0.0.1"))
}

/**
 * What every service of its own process has, whatever stores and transport its `main.ts` chooses: who calls it
 * (`TOKEN_KEYS_URL`, `USER_URL`), as whom it calls others (`SERVICE_PRIVATE_KEY`, `SERVICE_JWKS`), cursors (`CURSOR_KEY`),
 * health, telemetry, randomness and an HTTP client.
 */
export const layer = (name: ServiceName) =>
  Layer.mergeAll(Callers.layer, Cursor.layerConfig).pipe(
    Layer.provideMerge(Revocations.layerPolling),
    Layer.provide([TokenVerifier.layerConfig, UserClient.layerHttp]),
    Layer.provideMerge(ServiceTokens.layerConfig(name)),
    Layer.provideMerge(Layer.mergeAll(Commands.layer, Health.layer, NodeCrypto.layerSecureRandom, NodeHttpClient.layerUndici)),
    Layer.provideMerge(Telemetry.layerConfig(name))
  )
