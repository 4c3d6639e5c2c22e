import { Effect } from "effect"
import type { logCreator } from "kafkajs"

/**
 * What the client says goes into the log of the program, all of it as detail: it reports each refused connection, and what
 * it does not recover from by itself fails an operation, whose caller tells.
 */
export const toLogger = Effect.map(Effect.context<never>(), (context): logCreator => {
  const run = Effect.runForkWith(context)
  return () => ({ label, log: { logger: _, message, timestamp: __, ...details }, namespace }) => {
    run(Effect.logDebug(`Kafka ${namespace} ${label}: ${message}`).pipe(Effect.annotateLogs(details)))
  }
})
