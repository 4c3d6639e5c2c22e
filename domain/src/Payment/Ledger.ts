import { Schema } from "effect"
import { Money, negate } from "../Money.ts"

/** Whose money it is. The platform holds what buyers paid in ESCROW until it is settled or given back. */
export const Account = Schema.Literals(["BUYER", "ESCROW", "SELLER", "COMMISSION", "FEE"])
export type Account = typeof Account.Type

export interface Entry {
  readonly account: Account
  /** Positive when the account gains. */
  readonly amount: Money
}

export type TransferKind = "CAPTURE" | "REFUND"

/** One movement of money; its entries sum to zero. */
export interface Transfer {
  readonly kind: TransferKind
  readonly entries: ReadonlyArray<Entry>
}

/** The provider took the buyer's money for us. */
export const capture = (amount: Money): Transfer => move("CAPTURE", "BUYER", "ESCROW", amount)

/** The provider gave the buyer's money back. */
export const refund = (amount: Money): Transfer => move("REFUND", "ESCROW", "BUYER", amount)

const move = (kind: TransferKind, from: Account, to: Account, amount: Money): Transfer => ({
  kind,
  entries: [{ account: from, amount: negate(amount) }, { account: to, amount }]
})
