import type { PaymentStatus } from "@marketplace/domain/Payment/Payment"

/** Longer than the provider may take to answer one confirmation. */
const confirmationLease = 15

/** The platform gave the attempt up, but a success may still turn up at the provider. */
export const givenUp: ReadonlyArray<PaymentStatus> = ["EXPIRED", "CANCELLED", "FAILED"]

/** 1, 2, 4 … up to 30 s; every 10 min once the provider has been silent for long. */
const soon = ({ answered, looks }: Looks) => !answered && looks > 10 ? 600 : Math.min(2 ** looks, 30)

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
 * provider answers, and every 10 min after it has been silent for long; so is what was given up when the provider did not
 * answer to a look.
 */
export const nextLook = (
  status: PaymentStatus,
  of: Looks = { looks: 0, age: 0, answered: true }
): number | null => {
  switch (status) {
    case "CONFIRMING":
      return confirmationLease
    case "UNKNOWN":
      return soon(of)
    case "EXPIRED":
    case "CANCELLED":
    case "FAILED":
      // a look without an answer was none
      return of.answered ? lateLooks.flatMap((at) => at > of.age ? [at - of.age] : [])[0] ?? null : soon(of)
    default:
      return null
  }
}
