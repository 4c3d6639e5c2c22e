import { Redacted } from "effect"
import { createHmac } from "node:crypto"

/**
 * The password of each role, derived from one secret: nothing else has to be stored or handed over, and a role that knows
 * its own password learns nothing about another's.
 */
export const derive = (secret: Redacted.Redacted<string>, role: string): Redacted.Redacted<string> =>
  Redacted.make(createHmac("sha256", Redacted.value(secret)).update(role).digest("hex"))
