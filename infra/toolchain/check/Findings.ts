/** What a check found. */
export interface Findings {
  /** Each fails the check: where it is, which rule it breaks and what to do, in one line. */
  readonly problems: ReadonlyArray<string>
  /** Told, but nothing fails because of them. */
  readonly notes?: ReadonlyArray<string>
}
