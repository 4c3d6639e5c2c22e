import { Effect } from "effect"
import { type logCreator, logLevel } from "kafkajs"

/**
 * What the client says goes into the log of the program. It calls an error what it goes on to recover from by itself, and
 * information what is of interest to its authors.
 */
export const toLogger = Effect.map(Effect.context<never>(), (context): logCreator => {
  const run = Effect.runForkWith(context)
  return () => ({ level, log: { logger: _, message, timestamp: __, ...details }, namespace }) => {
    const say = level === logLevel.INFO || level === logLevel.DEBUG ? Effect.logDebug : Effect.logWarning
    run(say(`Kafka ${namespace}: ${message}`).pipe(Effect.annotateLogs(details)))
  }
})
