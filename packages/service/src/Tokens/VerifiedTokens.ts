import type { JWTPayload } from "jose"
import { hash, type KeyObject } from "node:crypto"
import * as LeastRecentlyUsed from "../LeastRecentlyUsed.ts"

/** What was found out about a token that is good, and when that holds without another look at its signature. */
export interface Verified {
  readonly kid: string
  readonly payload: Readonly<JWTPayload>
  /** The one that the signature fits: it has to be what `kid` names. */
  readonly key: KeyObject
  /** Seconds. No claim refuses the token from then on … */
  readonly from: number
  /** … and before then. */
  readonly until: number
}

/** Tokens that one verifier has found good, by the SHA-256 of their text: the text itself would let its reader in. */
export interface VerifiedTokens {
  readonly get: (text: string) => Verified | undefined
  readonly set: (text: string, verified: Verified) => void
}

/** Some 1 MB of texts; what is kept in their stead is not larger. */
const bounds: LeastRecentlyUsed.Bounds = { values: 2000, bytes: 2 * 1024 * 1024 }

export const make = (): VerifiedTokens => {
  const kept = LeastRecentlyUsed.make<Verified>(bounds)
  const idOf = (text: string) => hash("sha256", text, "base64url")
  return {
    get: (text) => kept.get(idOf(text)),
    set: (text, verified) => kept.set(idOf(text), verified, text.length)
  }
}
