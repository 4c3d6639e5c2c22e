import { Duration, Effect, Layer } from "effect"
import { SecureRandom } from "effect/crypto"
import { PgClient } from "@effect/sql-pg"
import type { EventContext } from "@marketplace/schema/Topology"
import { EventTransport, TransportUnavailable } from "./EventTransport.ts"
import * as Log from "./TransportPostgres/Log.ts"
import * as Subscriber from "./TransportPostgres/Subscriber.ts"
import { Wakeups } from "./Wakeups.ts"

export { eventsSchema } from "./TransportPostgres/schema.ts"

const defaults: Subscriber.Options = {
  lease: Duration.seconds(10),
  poll: Duration.seconds(1),
  batch: 100,
  acrossProcesses: false
}

/**
 * Events through a log in PostgreSQL (`eventsSchema`), with the rights of the service's own role. Its client must be that
 * of the consumer's effects, since an offset moves in their transaction.
 */
export const layerPostgres = (options: Partial<Subscriber.Options> = {}) =>
  Layer.effect(EventTransport, Effect.gen(function*() {
    const sql = yield* PgClient.PgClient
    const random = yield* SecureRandom.SecureRandom
    const wakeups = yield* Wakeups
    const settings = { ...defaults, ...options }
    const logs = new Map<EventContext, Log.Log>()
    const logOf = (context: EventContext) => {
      const log = logs.get(context) ?? Log.make(sql, context, settings.acrossProcesses)
      logs.set(context, log)
      return log
    }

    return EventTransport.of({
      publish: (context, events) =>
        events.length === 0 ? Effect.void : logOf(context).append(events).pipe(
          Effect.andThen(wakeups.wake(`log/${context}`)),
          Effect.mapError((cause) => new TransportUnavailable({ detail: `The log of ${context} takes no events`, cause }))
        ),
      subscribe: (subscription) =>
        Effect.flatMap(random.uuidV4(), (owner) => Subscriber.subscribe(subscription, owner, settings)).pipe(
          Effect.provideService(PgClient.PgClient, sql),
          Effect.provideService(Wakeups, wakeups)
        )
    })
  })).pipe(Layer.provide(Wakeups.layer))
