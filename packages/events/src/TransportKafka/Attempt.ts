import { Effect } from "effect"
import { TransportUnavailable } from "../EventTransport.ts"

/** What the client does in a promise; whatever is wrong with it, the broker or the connection is. */
export const attempt = <A>(what: string, run: () => Promise<A>) =>
  Effect.tryPromise({ try: run, catch: (cause) => new TransportUnavailable({ detail: `Kafka: ${what} failed`, cause }) })
