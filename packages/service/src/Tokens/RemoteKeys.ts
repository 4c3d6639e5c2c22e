import { Clock, Duration, Effect, Semaphore } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { Unavailable } from "@marketplace/schema/Problems"
import type { KeyObject } from "node:crypto"
import { type FindKey, importKeys, JwkSet } from "./Keys.ts"

/** After which the set is read again, so that a key that was taken out of it is refused. */
const maxAge = Duration.toMillis("5 minutes")

/** A made-up key id costs a look into the set, but not a request each. */
const cooldown = Duration.toMillis("30 seconds")

const cooldownAfterFailure = Duration.toMillis("1 second")

/**
 * Keys from the set that the issuer serves. They are read when they are first needed, when they are old, and for an unknown
 * key id, but never more often than the cooldown allows. While the set cannot be read, the keys of last time count.
 */
export const remoteKeys = Effect.fnUntraced(function*(url: string) {
  const client = HttpClient.filterStatusOk(yield* HttpClient.HttpClient)
  const turn = yield* Semaphore.make(1)
  let known: ReadonlyMap<string, KeyObject> | undefined
  let staleAt = 0
  let notBefore = 0

  const read = client.get(url, { headers: { accept: "application/json" } }).pipe(
    Effect.flatMap(HttpClientResponse.schemaBodyJson(JwkSet)),
    Effect.flatMap(importKeys),
    Effect.timeout("3 seconds")
  )

  const refresh = Effect.fnUntraced(function*(kid: string) {
    const now = yield* Clock.currentTimeMillis
    const wanted = known === undefined || now >= staleAt || !known.has(kid)
    if (!wanted || now < notBefore) return
    yield* Effect.matchEffect(read, {
      onSuccess: (keys) => Effect.sync(() => {
        known = keys
        staleAt = now + maxAge
        notBefore = now + cooldown
      }),
      onFailure: (error) => {
        notBefore = now + cooldownAfterFailure
        return Effect.logWarning("The public keys cannot be read", error)
      }
    })
  })

  const find: FindKey<Unavailable> = Effect.fnUntraced(function*(kid: string) {
    // Who waits for its turn finds what the one before has read.
    yield* turn.withPermit(refresh(kid))
    return known === undefined ? yield* new Unavailable({ retryAfterSeconds: 1, detail: "Tokens cannot be verified right now" }) : known.get(kid)
  })
  return find
})
