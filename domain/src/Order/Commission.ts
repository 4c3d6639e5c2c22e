import { Schema } from "effect"
import { Money, share, subtract } from "../Money.ts"

/** What the platform keeps of a seller order, and the value-added tax on that. */
export class CommissionRule extends Schema.Class<CommissionRule>("CommissionRule")({
  /** Of the seller order's total; 1 % = 100. */
  basisPoints: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 10_000 })),
  /** Of the commission; 1 % = 100. */
  vatBasisPoints: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 10_000 }))
}) {}

/** 10 % and 10 % tax on it, unless a rule says otherwise. */
export const standard = new CommissionRule({ basisPoints: 1_000, vatBasisPoints: 1_000 })

/** Divides a seller order's total without a remainder: `sellerShare + commission + commissionVat = total`. */
export const divide = (total: Money, rule: CommissionRule): { readonly commission: Money; readonly commissionVat: Money; readonly sellerShare: Money } => {
  const commission = share(total, rule.basisPoints)
  const commissionVat = share(commission, rule.vatBasisPoints)
  return { commission, commissionVat, sellerShare: subtract(subtract(total, commission), commissionVat) }
}
