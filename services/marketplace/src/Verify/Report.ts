import type { Outcome } from "./Check.ts"

export const violationsOf = ({ findings }: Outcome): number => findings.reduce((sum, { violations }) => sum + violations, 0)

const violated = ({ findings }: Outcome) => findings.filter(({ violations }) => violations > 0)

const total = (outcome: Outcome) => `${outcome.findings.length} invariants, ${violationsOf(outcome)} violations`

/** For people: what is violated with its rows, what could not be checked, and the sum in the last line. */
export const text = (outcome: Outcome): string =>
  [
    ...violated(outcome).flatMap(({ invariant: { holds, name, says }, rows, violations }) => [
      `✗ ${name} (${holds}): ${says}`,
      ...rows.map((row) => `    ${JSON.stringify(row)}`),
      ...(violations > rows.length ? [`    and ${violations - rows.length} more`] : [])
    ]),
    ...Map.groupBy(outcome.unchecked, ({ missing }) => missing).entries().map(([missing, all]) =>
      `? not checked: ${all.map(({ invariant }) => invariant.name).join(", ")}. ${missing}`),
    outcome.unchecked.length === 0 ? total(outcome) : `${total(outcome)}, ${outcome.unchecked.length} not checked`
  ].join("\n")

/** For programs: every invariant, whether it holds and what breaks it. */
export const json = (outcome: Outcome): string =>
  JSON.stringify({
    invariants: outcome.findings.length,
    violations: violationsOf(outcome),
    findings: outcome.findings.map(({ invariant: { holds, name, says }, rows, violations }) => (
      { name, says, holds, violations, rows }
    )),
    unchecked: outcome.unchecked.map(({ invariant: { holds, name, says }, missing }) => ({ name, says, holds, why: missing }))
  }, undefined, 2)
