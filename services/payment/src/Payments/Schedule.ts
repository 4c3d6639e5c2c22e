import type { PaymentStatus } from "@marketplace/domain/Payment/Payment"

/** Longer than the provider may take to answer one confirmation. */
const confirmationLease = 15

/** The platform gave the attempt up, but a success may still turn up at the provider. */
export const givenUp: ReadonlyArray<PaymentStatus> = ["EXPIRED", "CANCELLED", "FAILED"]

/** So many seconds after it was given up an attempt is looked at again, however often that was done in between. */
const lateLooks = [60, 600, 3_600, 86_400]

/** What is known of the looks at an attempt since it came into its state. */
interface Looks {
  readonly looks: number
  /** Seconds since it came into its state. */
  readonly age: number
  /** Whether the provider said anything at the last look. */
  readonly answered: boolean
}

/**
 * When the resolver looks at an attempt again, in seconds; null: never. UNKNOWN is asked at 1, 2, 4 … up to 30 s while the
 * provider answers, and every 10 min after it has been silent for long.
 */
export const nextLook = (
  status: PaymentStatus,
  { age, answered, looks }: Looks = { looks: 0, age: 0, answered: true }
): number | null => {
  switch (status) {
    case "CONFIRMING":
      return confirmationLease
    case "UNKNOWN":
      return !answered && looks > 10 ? 600 : Math.min(2 ** looks, 30)
    case "EXPIRED":
    case "CANCELLED":
    case "FAILED":
      return lateLooks.flatMap((at) => at > age ? [at - age] : [])[0] ?? null
    default:
      return null
  }
}
