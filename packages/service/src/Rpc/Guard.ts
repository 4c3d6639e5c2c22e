import { Cause, Effect, Layer, Option, Redacted } from "effect"
import { Headers } from "effect/http"
import { type Rpc, RpcMiddleware } from "effect/rpc"
import { CallingService, ServiceOnly, ServiceRefused, type ServiceName } from "@marketplace/schema/Access"
import { ServiceTokens } from "../Tokens/ServiceTokens.ts"
import type { Contract } from "./Contract.ts"
import * as Deadline from "./Deadline.ts"

type Guard = ServiceOnly["Service"]

/** Lets a known caller in. */
const admit = <Rpcs extends Rpc.Any>(
  { callee, callers }: Contract<Rpcs>,
  caller: ServiceName,
  ...[operation, { headers, rpc }]: Parameters<Guard>
): ReturnType<Guard> =>
  callers.includes(caller)
    ? operation.pipe(
      Effect.provideService(CallingService, { name: caller }),
      Deadline.inherit(headers),
      // The text of a defect may hold anything, rows of a table included: it stays here.
      Effect.catchCauseIf(Cause.hasDies, (cause) =>
        Effect.andThen(
          Effect.logError(`${rpc._tag} failed`, cause),
          Effect.die(new Error(`${rpc._tag} failed; see the log of ${callee}`))
        ))
    )
    : Effect.fail(new ServiceRefused({ reason: `${caller} may not call ${callee}` }))

const scheme = "Bearer "

/** Over a network: the caller is who signed the token. */
export const layerSigned = <Rpcs extends Rpc.Any>(contract: Contract<Rpcs>) =>
  Layer.effect(ServiceOnly, Effect.gen(function*() {
    const tokens = yield* ServiceTokens
    return ServiceOnly.of(Effect.fnUntraced(function*(operation, options) {
      const authorization = Option.getOrElse(Headers.get(options.headers, "authorization"), () => "")
      if (!authorization.startsWith(scheme)) return yield* new ServiceRefused({ reason: "no token" })
      const caller = yield* tokens.verify(Redacted.make(authorization.slice(scheme.length)), contract.callee)
      return yield* admit(contract, caller, operation, options)
    }))
  }))

/** The caller's side of `layerSigned`. */
export const layerSigning = <Rpcs extends Rpc.Any>({ callee }: Contract<Rpcs>) =>
  RpcMiddleware.layerClient(ServiceOnly, Effect.gen(function*() {
    const tokens = yield* ServiceTokens
    const client: RpcMiddleware.RpcMiddlewareClient<ServiceRefused, never, never> = ({ next, request }) =>
      Effect.flatMap(tokens.issue(callee), (token) =>
        next({ ...request, headers: Headers.set(request.headers, "authorization", scheme + Redacted.value(token)) }))
    return client
  }))

/** In one process: the caller is who opened the line, and no header can say otherwise. */
export const layerTrusted = <Rpcs extends Rpc.Any>(
  contract: Contract<Rpcs>,
  callerOf: (clientId: number) => ServiceName | undefined
) =>
  Layer.succeed(ServiceOnly, ServiceOnly.of((operation, options) => {
    const caller = callerOf(options.client.id)
    return caller === undefined
      ? Effect.fail(new ServiceRefused({ reason: "the line is closed" }))
      : admit(contract, caller, operation, options)
  }))

/** The caller's side of `layerTrusted`. */
export const layerTrusting = RpcMiddleware.layerClient(ServiceOnly, ({ next, request }) => next(request))
