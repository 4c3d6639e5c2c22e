import { Config, Effect, Layer, Option, Redacted } from "effect"
import { PostgresServer } from "@marketplace/postgres/PostgresServer"

/**
 * The same server, with `MARKETPLACE_POSTGRES_VIA` (`host:port`) reached by the services through a proxy that a fault run
 * has put before it. The owner, who prepares it, is not in the way of faults.
 */
export const layerConfig = Layer.effect(PostgresServer, Effect.gen(function*() {
  const server = yield* PostgresServer
  const via = yield* Config.option(Config.NonEmptyString("MARKETPLACE_POSTGRES_VIA"))
  if (Option.isNone(via)) return server
  return PostgresServer.of({
    ...server,
    urlOf: (role) => {
      const url = new URL(Redacted.value(server.urlOf(role)))
      url.host = via.value
      return Redacted.make(url.href)
    }
  })
}))
