import { Duration, Effect } from "effect"
import type { Kafka } from "kafkajs"
import type { EventContext } from "@marketplace/schema/Topology"
import { attempt } from "./Attempt.ts"
import { partitions, type Settings } from "./Settings.ts"

export const topicOf = ({ prefix }: Settings, context: EventContext) => `${prefix}${context}.events`

/** Makes the topics that are not there. One that is there keeps its number of partitions. */
export const make = (kafka: Kafka, settings: Settings) => {
  const there = new Set<string>()
  return Effect.fnUntraced(function*(contexts: ReadonlyArray<EventContext>) {
    const missing = contexts.map((context) => topicOf(settings, context)).filter((topic) => !there.has(topic))
    if (missing.length === 0) return
    const admin = kafka.admin()
    yield* Effect.acquireUseRelease(
      attempt("connecting", () => admin.connect()),
      () =>
        Effect.gen(function*() {
          const known = new Set(yield* attempt("listing topics", () => admin.listTopics()))
          const wanted = missing.filter((topic) => !known.has(topic)).map((topic) => ({
            topic,
            numPartitions: partitions,
            replicationFactor: settings.replicationFactor,
            configEntries: [{ name: "retention.ms", value: String(Duration.toMillis(settings.retention)) }]
          }))
          if (wanted.length === 0) return
          // False if another process was faster.
          yield* attempt("making topics", () => admin.createTopics({ topics: wanted, waitForLeaders: true }))
        }),
      () => Effect.ignore(attempt("disconnecting", () => admin.disconnect()))
    )
    for (const topic of missing) there.add(topic)
  })
}
