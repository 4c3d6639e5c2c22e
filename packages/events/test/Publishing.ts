import { Effect, type Layer, Schedule } from "effect"
import type { SecureRandom } from "effect/crypto"
import type { SqlClient } from "effect/sql"
import type { PostgresServer } from "@marketplace/postgres/PostgresServer"
import type { EventContext } from "@marketplace/schema/Topology"
import type { Envelope } from "../src/Envelope.ts"
import { EventTransport } from "../src/EventTransport.ts"
import * as World from "./World.ts"

/** What a process of a service has, on one installation of the transport. */
export type ProcessOf = (service: EventContext) =>
  Layer.Layer<EventTransport | SqlClient.SqlClient | SecureRandom.SecureRandom, unknown, PostgresServer>

/** As the relay does, again when it did not succeed; then some of the events come twice. */
export const publish = (context: EventContext, events: ReadonlyArray<Envelope>) =>
  EventTransport.use((transport) => transport.publish(context, events)).pipe(
    Effect.retry({ times: 100, schedule: Schedule.spaced("100 millis") })
  )

export const statusChanges = (keys: ReadonlyArray<string>, sequences: ReadonlyArray<number>) =>
  Effect.forEach(
    sequences.flatMap((sequence) => keys.map((key) => ({ key, sequence }))),
    ({ key, sequence }) => World.envelope(World.statusChanged(key), sequence)
  )

export const newKeys = (n: number) => Effect.all(Array.from({ length: n }, () => World.newId))
export const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1)

export const byKey = (got: ReadonlyArray<{ readonly streamKey: string; readonly sequence: number }>) => {
  const sequences = new Map<string, Array<number>>()
  for (const { sequence, streamKey } of got) sequences.set(streamKey, [...sequences.get(streamKey) ?? [], sequence])
  return sequences
}
