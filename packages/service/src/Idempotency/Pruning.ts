import { Effect, Layer } from "effect"
import { Idempotency } from "../Idempotency.ts"
import * as Sweeper from "../Sweeper.ts"

/** Forgets a service's keys after their day. */
export const layer = (service: string) =>
  Layer.unwrap(Effect.map(Idempotency, ({ prune }) =>
    Sweeper.layer({ name: `${service}.idempotency`, every: "1 minute", batch: 1000, sweep: prune })))
