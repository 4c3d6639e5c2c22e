import { Clock, Duration, Effect, Schedule, Struct } from "effect"
import { SecureRandom } from "effect/crypto"
import type { Envelope } from "@marketplace/events/Envelope"
import { EventTransport } from "@marketplace/events/EventTransport"
import { type EventName, published } from "@marketplace/schema/Topology"
import { contexts } from "./Invariant.ts"
import type { Carried } from "./Sources.ts"

/** Told by documents of the catalogue, which count their own events: there is no outbox to hold them against. */
const ofDocuments: ReadonlySet<EventName> = new Set(["ProductCreated"])

const types: ReadonlySet<EventName> = new Set(
  contexts.flatMap((context) => Struct.keys(published[context])).filter((type) => !ofDocuments.has(type))
)

/** Longer than a consumer may need to find its group again. */
const halfAMinute = Duration.seconds(30)

/**
 * Reads the topics from their beginning, as a consumer of its own, until all that is expected has come; what else comes
 * later is not looked at. That an event is lost is said only after nothing has come for as long as `patience` lasts.
 */
export const read = Effect.fn("Verify.topics")(function*(expected: ReadonlySet<string>, patience = halfAMinute) {
  const transport = yield* EventTransport
  const random = yield* SecureRandom.SecureRandom
  const clock = yield* Clock.Clock
  const carried = new Map<string, Carried>()
  const awaited = new Set(expected)
  let last = clock.currentTimeMillisUnsafe()

  const keep = ({ context, id, occurredAt, sequence, streamKey, type }: Envelope) => {
    awaited.delete(id)
    if (carried.has(id)) return
    carried.set(id, {
      context,
      position: carried.size,
      event_id: id,
      type,
      stream_key: streamKey,
      sequence,
      occurred_at: new Date(occurredAt).toISOString()
    })
  }
  const reading = transport.subscribe({
    consumer: `verify-${yield* random.uuidV4()}`,
    contexts,
    types,
    handleAll: () => Effect.succeed(false),
    handle: ({ envelope }) =>
      Effect.sync(() => {
        last = clock.currentTimeMillisUnsafe()
        keep(envelope)
      })
  })
  const isQuiet = () => clock.currentTimeMillisUnsafe() - last > Duration.toMillis(patience)
  const complete = Effect.repeat(Effect.sync(() => awaited.size === 0 || isQuiet()), {
    schedule: Schedule.spaced("50 millis"),
    until: (done) => done
  })
  yield* Effect.raceFirst(reading, complete)
  return [...carried.values()]
})
