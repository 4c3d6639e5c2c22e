import type { PaymentStatus } from "@marketplace/domain/Payment/Payment"

/** Longer than the provider may take to answer one confirmation. */
const confirmationLease = 15

/** A success may still turn up at the provider after we gave an attempt up: it is asked again this long after, in seconds. */
const lateLooks = [60, 600, 3_600, 86_400]

/**
 * When the resolver looks at an attempt again, in seconds, after so many looks without a result; null: never.
 * UNKNOWN is asked at 1, 2, 4 … up to 30 s while the provider answers, and every 10 min after it has been silent for long.
 */
export const nextLook = (status: PaymentStatus, looks: number, answered = true): number | null => {
  switch (status) {
    case "CONFIRMING":
      return confirmationLease
    case "UNKNOWN":
      return !answered && looks > 10 ? 600 : Math.min(2 ** looks, 30)
    case "EXPIRED":
    case "CANCELLED":
    case "FAILED":
      return lateLooks[looks] ?? null
    default:
      return null
  }
}
