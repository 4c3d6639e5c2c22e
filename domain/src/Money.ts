import { Schema } from "effect"

/** ISO 4217. KRW has no minor unit (exponent 0), USD has cents (exponent 2). */
export const Currency = Schema.Literals(["KRW", "USD"]).annotate({ identifier: "Currency", description: "ISO 4217 code" })
export type Currency = typeof Currency.Type

/** An amount in the currency's minor units, never a fraction. May be negative: ledger entries and differences are. */
export class Money extends Schema.Class<Money>("Money")({
  amount: Schema.Int.annotate({ description: "Minor units of the currency" }),
  currency: Currency
}) {}

/** The currencies differ: amounts of different currencies are never added or compared, so this is a bug of the caller. */
export class CurrencyMismatch extends Error {
  constructor(left: Currency, right: Currency) {
    super(`cannot combine ${left} with ${right}`)
  }
}

export const zero = (currency: Currency): Money => new Money({ amount: 0, currency })

/** @throws CurrencyMismatch */
export const add = (left: Money, right: Money): Money => combine(left, right, (a, b) => a + b)

/** @throws CurrencyMismatch */
export const subtract = (left: Money, right: Money): Money => combine(left, right, (a, b) => a - b)

export const negate = ({ amount, currency }: Money): Money => new Money({ amount: amount === 0 ? 0 : -amount, currency })

/** @param quantity a whole number */
export const times = ({ amount, currency }: Money, quantity: number): Money => new Money({ amount: amount * quantity, currency })

export const sum = (currency: Currency, parts: Iterable<Money>): Money => {
  let total = zero(currency)
  for (const part of parts) total = add(total, part)
  return total
}

export const equals = (left: Money, right: Money): boolean => left.currency === right.currency && left.amount === right.amount

/**
 * A share in basis points (1 % = 100), rounded half away from zero to a minor unit.
 *
 * @param basisPoints a whole number
 */
export const share = ({ amount, currency }: Money, basisPoints: number): Money => {
  const scaled = BigInt(amount) * BigInt(basisPoints)
  const half = scaled < 0n ? -5_000n : 5_000n
  return new Money({ amount: Number((scaled + half) / 10_000n), currency })
}

/**
 * Splits an amount in proportion to the weights by largest remainder: the parts always sum to the whole, and of equal
 * remainders the earlier part gets the unit. With no positive weight the first part gets everything.
 *
 * @param weights whole numbers, none negative, at least one of them
 */
export const allocate = (whole: Money, weights: ReadonlyArray<number>): ReadonlyArray<Money> => {
  const total = weights.reduce((all, weight) => all + BigInt(weight), 0n)
  const amount = BigInt(whole.amount)
  const sign = amount < 0n ? -1n : 1n
  const scaled = weights.map((weight, index) => {
    const product = amount * sign * (total === 0n ? (index === 0 ? 1n : 0n) : BigInt(weight))
    const divisor = total === 0n ? 1n : total
    return { index, floor: product / divisor, remainder: product % divisor }
  })
  let left = amount * sign - scaled.reduce((all, { floor }) => all + floor, 0n)
  const parts = scaled.map(({ floor }) => floor)
  for (const { index } of scaled.toSorted((a, b) => a.remainder === b.remainder ? a.index - b.index : a.remainder > b.remainder ? -1 : 1)) {
    if (left === 0n) break
    parts[index] = (parts[index] ?? 0n) + 1n
    left -= 1n
  }
  return parts.map((part) => new Money({ amount: Number(part * sign), currency: whole.currency }))
}

const combine = (left: Money, right: Money, f: (a: number, b: number) => number): Money => {
  if (left.currency !== right.currency) throw new CurrencyMismatch(left.currency, right.currency)
  return new Money({ amount: f(left.amount, right.amount), currency: left.currency })
}
