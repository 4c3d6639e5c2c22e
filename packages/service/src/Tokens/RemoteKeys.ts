import { Duration, Effect, Semaphore } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { Unavailable } from "@marketplace/schema/Problems"
import type { KeyObject } from "node:crypto"
import { monotonicMillis } from "@marketplace/events/MonotonicMillis"
import { type FindKey, importKeys, JwkSet } from "./Keys.ts"

/** How often the set is read in any case, so that a key that was taken out of it is refused from then on. */
const interval = Duration.minutes(5)

const intervalAfterFailure = Duration.seconds(5)

/** A key id that somebody made up costs a look into the set, but not each. */
const cooldown = Duration.toMillis("30 seconds")

const cooldownAfterFailure = Duration.toMillis("1 second")

/**
 * Keys from the set that the issuer serves, until the scope is closed. Who brings a known key waits for nobody; an unknown
 * one has the set read again. While it cannot be read, the keys of last time count.
 */
export const remoteKeys = Effect.fnUntraced(function*(url: string) {
  const client = HttpClient.filterStatusOk(yield* HttpClient.HttpClient)
  const turn = yield* Semaphore.make(1)
  let known: ReadonlyMap<string, KeyObject> | undefined
  let readAgain = -Infinity

  /** Whether it could be read. */
  const read = client.get(url, { headers: { accept: "application/json" } }).pipe(
    Effect.flatMap(HttpClientResponse.schemaBodyJson(JwkSet)),
    Effect.flatMap(importKeys),
    Effect.timeout("3 seconds"),
    Effect.tap((keys) => Effect.sync(() => {
      known = keys
    })),
    Effect.as(true),
    Effect.catch((error) => Effect.as(Effect.logWarning("The public keys cannot be read", error), false)),
    Effect.tap((success) => Effect.map(monotonicMillis, (now) => {
      readAgain = now + (success ? cooldown : cooldownAfterFailure)
    }))
  )

  yield* turn.withPermit(read).pipe(
    Effect.flatMap((success) => Effect.sleep(success ? interval : intervalAfterFailure)),
    Effect.forever,
    Effect.forkScoped
  )

  // Who waited for its turn finds what the one before has read.
  const readFor = Effect.fnUntraced(function*(kid: string) {
    const now = yield* monotonicMillis
    if (!known?.has(kid) && now >= readAgain) yield* read
  })

  const find: FindKey<Unavailable> = Effect.fnUntraced(function*(kid: string) {
    if (!known?.has(kid)) yield* turn.withPermit(readFor(kid))
    if (known !== undefined) return known.get(kid)
    return yield* new Unavailable({ retryAfterSeconds: 1, detail: "Tokens cannot be verified right now" })
  })
  return find
})
