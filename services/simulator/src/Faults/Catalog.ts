import { Schema } from "effect"

/** Where in a call a fault strikes. */
export type Stage = "confirming" | "captured" | "finding" | "refunding" | "refunded"

interface Fault {
  readonly stage: Stage
  /** The last four digits of an amount that plans this fault by itself. */
  readonly magic: number
  /** How often it then strikes. */
  readonly times: number
}

/**
 * What can go wrong. A payment gets its faults from `PUT /script/{merchant's payment id}`, or, when it has none at its
 * approval, from the last four digits of its amount in minor units: ₩129,903 plans CAPTURE_TIME_OUT.
 */
export const faults = {
  /** The bank refuses for lack of funds; the payment is ABORTED. */
  DECLINE: { stage: "confirming", magic: 9901, times: 1 },
  /** No answer, nothing taken. */
  TIME_OUT: { stage: "confirming", magic: 9902, times: 1 },
  /** Taken, and the answer never comes. */
  CAPTURE_TIME_OUT: { stage: "captured", magic: 9903, times: 1 },
  /** Taken, and 500. */
  CAPTURE_SERVER_ERROR: { stage: "captured", magic: 9904, times: 1 },
  /** 500, nothing taken. */
  SERVER_ERROR: { stage: "confirming", magic: 9905, times: 1 },
  /** Taken, and the connection is cut instead of an answer. */
  CAPTURE_CUT: { stage: "captured", magic: 9906, times: 1 },
  /** Taken after a delay, also when the caller has given up by then. */
  SLOW: { stage: "confirming", magic: 9907, times: 1 },
  /** Reads answer 404 although the payment is there. */
  NOT_FOUND: { stage: "finding", magic: 9908, times: 3 },
  /** Given back, and the answer never comes. */
  REFUND_TIME_OUT: { stage: "refunded", magic: 9909, times: 1 },
  /** The refund is refused, nothing given back. */
  REFUND_FAIL: { stage: "refunding", magic: 9910, times: 1 }
} as const satisfies Record<string, Fault>

export type FaultName = keyof typeof faults

const names = Object.keys(faults).filter((name): name is FaultName => name in faults)

export const FaultName = Schema.Literals(names)

/** The faults that strike at a stage. */
export const strikingAt = (stage: Stage): ReadonlyArray<FaultName> => names.filter((name) => faults[name].stage === stage)

/** The fault that an amount plans by itself. */
export const magicOf = (amount: number): FaultName | undefined => names.find((name) => faults[name].magic === amount % 10_000)
