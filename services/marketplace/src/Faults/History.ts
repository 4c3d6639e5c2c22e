import type { Outcome, Request } from "./Http.ts"
import { textAt } from "./Http.ts"

/** Something a buyer wanted once, under one key, however often it was sent. */
export interface Operation {
  readonly name: "place" | "create" | "confirm"
  readonly request: Request
  /** Every request that was sent for it, in turn. */
  readonly outcomes: Array<Outcome>
  /** The buyer did not ask again after a lost answer. */
  walkedAway: boolean
}

/** An attempt to pay. */
export interface Attempt {
  readonly create: Operation
  confirm: Operation | undefined
  /** Planned at the provider for it. */
  script: string | undefined
  /** The buyer's transfer went through although the attempt is given up. */
  readonly late: boolean
}

/** All that one buyer did; each buyer comes once. */
export interface Purchase {
  readonly token: string
  readonly total: number
  readonly sellers: number
  readonly place: Operation
  readonly attempts: Array<Attempt>
  /** The buyer has left. */
  over: boolean
}

export type Answer = Extract<Outcome, { readonly kind: "answer" }>

const inFlight = "/problems/request-in-flight"

/** Says for good what became of the operation. 401, 429 and 5xx say that nothing can be said now. */
export const isFinal = (outcome: Outcome): outcome is Answer =>
  outcome.kind === "answer" &&
  (outcome.status < 300 || [400, 402, 404, 409, 422].includes(outcome.status) && textAt(outcome.body, "type") !== inFlight)

/** The first final answer; undefined: the buyer does not know. */
export const answerOf = (operation: Operation): Answer | undefined => operation.outcomes.find(isFinal)

export const acknowledged = (operation: Operation): Answer | undefined => {
  const answer = answerOf(operation)
  return answer !== undefined && answer.status < 300 ? answer : undefined
}

/** The outcome of a payment is open for now: its answer may become another one. */
const isOpen = ({ body }: Answer) => ["CONFIRMING", "UNKNOWN"].includes(textAt(body, "status"))

/** Stored with the key: every repetition has to be the same. What stores nothing may be answered otherwise the next time. */
const isKept = (answer: Answer) =>
  answer.status < 300 ? !isOpen(answer) : answer.status === 402 || textAt(answer.body, "type") === "/problems/order-rejected"

/** All but the name of the trace, which is another for each request. */
const said = (body: unknown) => JSON.stringify(body, (key, value: unknown) => key === "traceId" ? undefined : value)

/** What is wrong with the answers to one key, seen by themselves. */
export const contradictions = ({ name, outcomes, request }: Operation): ReadonlyArray<string> => {
  const answers = outcomes.filter(isFinal)
  const kept = answers.findIndex(isKept)
  const first = answers[kept]
  const others = first === undefined ? [] : answers.slice(kept + 1).filter(({ body, status }) =>
    status !== first.status || said(body) !== said(first.body))
  return [
    ...others.map((other) =>
      `${name} ${request.path} was answered ${first?.status} ${JSON.stringify(first?.body)} and then ${other.status} ${JSON.stringify(other.body)}`),
    ...answers.filter(({ body }) => textAt(body, "type").includes("key-reused")).map(() => `${name} ${request.path}: its own key is refused`),
    ...answers.filter(({ status }) => status === 400 || status === 422).map(({ body }) => `${name} ${request.path}: ${JSON.stringify(body)}`)
  ]
}
