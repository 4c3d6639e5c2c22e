import { Effect } from "effect"
import type { Consumer, TopicPartitionOffset } from "kafkajs"
import { attempt } from "./Attempt.ts"

/**
 * The offsets a member has reached, committed now and then: what a crash leaves uncommitted is delivered again and known
 * by its id.
 */
export const make = (consumer: Consumer, name: string) => {
  const due = new Map<string, TopicPartitionOffset>()
  return {
    /** `last` is the offset of the last message that was dealt with. */
    reached: (topic: string, partition: number, last: string) => {
      due.set(`${topic}/${partition}`, { topic, partition, offset: String(BigInt(last) + 1n) })
    },
    /** Its partitions may be somebody else's now. */
    forget: () => due.clear(),
    /** What fails stays due. */
    commit: Effect.suspend(() => {
      const committed = [...due]
      if (committed.length === 0) return Effect.void
      return attempt("committing", () => consumer.commitOffsets(committed.map(([, offset]) => offset))).pipe(
        Effect.tap(() => Effect.sync(() => {
          for (const [key, offset] of committed) if (due.get(key) === offset) due.delete(key)
        })),
        Effect.catch((error) => Effect.logDebug(`${name}: offsets are committed later`, error))
      )
    })
  }
}
