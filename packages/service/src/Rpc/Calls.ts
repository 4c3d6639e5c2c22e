import { Cause, Config, Effect, Exit, Metric, Option, Predicate, Schedule, Schema } from "effect"
import { type Headers, HttpClient, HttpClientRequest } from "effect/http"
import { type Rpc, RpcClient, RpcClientError } from "effect/rpc"
import { monotonicMillis } from "@marketplace/events/MonotonicMillis"
import { ServiceName, ServiceRefused } from "@marketplace/schema/Access"
import { rpcClient } from "@marketplace/telemetry/Metrics"
import { type Contract, layerSerialization, pathOf } from "./Contract.ts"
import * as Deadline from "./Deadline.ts"
import * as Guard from "./Guard.ts"
import * as LocalRpc from "./LocalRpc.ts"

/** The other service gave no answer in time, or none that can be used. Whether it did what was asked is not known. */
export class CalleeUnavailable extends Schema.TaggedError<CalleeUnavailable>()("CalleeUnavailable", {
  callee: ServiceName,
  detail: Schema.String,
  retryAfterSeconds: Schema.Int
}) {
  override get message() {
    return this.detail
  }
}

type WithoutPrefix<Tag extends string> = Tag extends `${string}.${infer Name}` ? Name : Tag

type OwnError<R> = R extends Rpc.Rpc<infer _Tag, infer _Payload, infer _Success, infer Error, infer _Middleware, infer _Requires>
  ? Error["Type"]
  : never

/** The procedures of a contract as functions. */
export type Calls<Rpcs extends Rpc.Any> = {
  readonly [R in Rpcs as WithoutPrefix<R["_tag"]>]: (
    payload: Rpc.PayloadConstructor<R>
  ) => Effect.Effect<Rpc.Success<R>, OwnError<R> | CalleeUnavailable>
}

/** Milliseconds in which a call must have its answer, all attempts together; less if the caller's own deadline is nearer. */
const timeout = 3000

const backoff = Schedule.jittered(Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("500 millis")]))

/** Retries that a client has in reserve. Each success earns half of one, so that a callee in trouble is not pushed under. */
const reserve = 10

/** The callee stopped while it was at work. */
class Stopped extends Schema.TaggedError<Stopped>()("Stopped", {}) {
  override get message() {
    return "it stopped"
  }
}

/** No answer came, so the call may be made again. */
type Lost = RpcClientError.RpcClientError | Stopped

const isLost = (error: unknown): error is Lost => error instanceof RpcClientError.RpcClientError || error instanceof Stopped

/** One line without the cause, which may hold the request and with it the token. */
const whyLost = (error: Lost) =>
  error instanceof RpcClientError.RpcClientError && error.reason._tag === "HttpError" && error.reason.cause instanceof Error
    ? error.reason.cause.message
    : error.message

/** A client of either transport. Which payload goes with which tag is for `Calls` to say. */
type Send = (tag: string, payload: unknown, options: { readonly headers: Headers.Input }) => Effect.Effect<unknown, unknown>

const outcomeOf = (exit: Exit.Exit<unknown, unknown>): string => {
  if (Exit.isSuccess(exit)) return "ok"
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  return Predicate.hasProperty(error, "_tag") ? String(error._tag) : "Interrupted"
}

const calls = <Rpcs extends Rpc.Any>({ callee, group }: Contract<Rpcs>, client: unknown): Calls<Rpcs> => {
  const send = client as Send
  let retries = reserve
  const spend = () => {
    if (retries < 1) return false
    retries -= 1
    return true
  }
  const earn = Effect.sync(() => {
    retries = Math.min(reserve, retries + 0.5)
  })

  const unavailable = (detail: string) => new CalleeUnavailable({ callee, detail: `${callee} ${detail}`, retryAfterSeconds: 1 })

  /** Only what the contract says goes on; the rest is told in the log. */
  const translate = (tag: string) => (cause: Cause.Cause<unknown>) => {
    const error = Option.getOrUndefined(Cause.findErrorOption(cause))
    if (error instanceof CalleeUnavailable) return Effect.andThen(Effect.logWarning(`${tag}: ${error.detail}`), error)
    if (isLost(error)) {
      return Effect.andThen(Effect.logWarning(`${tag}: ${callee} is lost: ${whyLost(error)}`), unavailable("cannot be reached"))
    }
    if (error instanceof ServiceRefused) {
      return Effect.andThen(Effect.logError(`${tag}: ${error.reason}`), unavailable("refuses the call"))
    }
    if (Cause.hasDies(cause)) return Effect.andThen(Effect.logError(`${tag} has failed`, cause), unavailable("has failed"))
    return Effect.failCause(cause)
  }

  const measure = (tag: string) => (outcome: string, millis: number) =>
    Metric.update(rpcClient(callee, tag, outcome), millis / 1000)

  const procedure = (tag: string) => {
    const translated = translate(tag)
    const measured = measure(tag)
    return Effect.fnUntraced(function*(payload: unknown) {
      const begin = yield* monotonicMillis
      const deadline = Math.min(begin + timeout, yield* Deadline.Deadline)
      if (deadline <= begin) return yield* unavailable("was not called: the deadline is over")
      let lost: Lost | undefined
      const again = (error: unknown) => {
        if (!isLost(error)) return false
        lost = error
        return spend()
      }
      return yield* monotonicMillis.pipe(
        Effect.flatMap((now) => send(tag, payload, { headers: Deadline.tell(deadline - now) })),
        Effect.catchCauseIf(Cause.hasInterruptsOnly, () => new Stopped()),
        Effect.retry({ while: again, schedule: backoff }),
        Effect.tap(earn),
        Effect.timeoutOrElse({
          duration: deadline - begin,
          orElse: () => Effect.fail(lost ?? unavailable("gave no answer in time"))
        }),
        Effect.catchCause(translated),
        Effect.onExit((exit) => Effect.flatMap(monotonicMillis, (now) => measured(outcomeOf(exit), now - begin)))
      )
    })
  }

  const entries = Array.from(group.requests.keys(), (tag) => [tag.slice(tag.indexOf(".") + 1), procedure(tag)] as const)
  return Object.fromEntries(entries) as Calls<Rpcs>
}

/** Calls into the same process. */
export const local = <Rpcs extends Rpc.Any>(contract: Contract<Rpcs>, caller: ServiceName) =>
  Effect.map(LocalRpc.connect(contract, caller), (client) => calls(contract, client))

/**
 * Calls over HTTP, as the service whose tokens are at hand.
 *
 * @param setting name of the setting with the callee's address, or several with commas between them, which take turns
 */
export const http = Effect.fnUntraced(function*<Rpcs extends Rpc.Any>(contract: Contract<Rpcs>, setting: string) {
  const addresses = (yield* Config.NonEmptyString(setting)).split(",").map((url) => url.trim().replace(/\/$/, ""))
  let turn = 0
  const client = (yield* HttpClient.HttpClient).pipe(
    HttpClient.mapRequest((request) =>
      HttpClientRequest.setUrl(request, `${addresses[turn++ % addresses.length]}${pathOf(contract.callee)}`)),
    HttpClient.filterStatusOk
  )
  const rpc = yield* RpcClient.make(contract.group, { flatten: true }).pipe(
    Effect.provideServiceEffect(RpcClient.Protocol, RpcClient.makeProtocolHttp(client)),
    Effect.provide([layerSerialization, Guard.layerSigning(contract)])
  )
  return calls(contract, rpc)
})
