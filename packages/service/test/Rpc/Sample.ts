import { Context, Effect, Layer, Logger, Queue, Schema } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"
import { Money, times } from "@marketplace/domain/Money"
import { CallingService, ServiceName, ServiceOnly } from "@marketplace/schema/Access"
import type { Calls } from "@marketplace/service/Rpc/Calls"
import type { Contract } from "@marketplace/service/Rpc/Contract"
import { monotonicMillis } from "@marketplace/events/MonotonicMillis"
import { Deadline } from "@marketplace/service/Rpc/Deadline"

export class OutOfStock extends Schema.TaggedError<OutOfStock>()("OutOfStock", { wanted: Schema.Int }) {}

/** What a handler can do to its caller. */
export class SampleRpc extends RpcGroup.make(
  Rpc.make("Double", { payload: { price: Money }, success: Schema.Struct({ price: Money, caller: ServiceName }) }),
  Rpc.make("Refuse", { payload: { wanted: Schema.Int }, error: OutOfStock }),
  Rpc.make("Break"),
  /** Never answers; tells `started` and `interrupted`. */
  Rpc.make("Hang"),
  /** Milliseconds until the deadline that the handler sees. */
  Rpc.make("Remaining", { success: Schema.Finite }),
  Rpc.make("Surroundings", { success: Schema.Struct({ caller: Schema.String, traceId: Schema.String }) })
).middleware(ServiceOnly).prefix("Sample.") {}

export type SampleCalls = Calls<RpcGroup.Rpcs<typeof SampleRpc>>

export const contract: Contract<RpcGroup.Rpcs<typeof SampleRpc>> = { callee: "payment", group: SampleRpc, callers: ["order"] }

/** Nothing that a caller has on its fiber may be seen by the handler. */
export const OnCallersFiber = Context.Reference<string>("test/OnCallersFiber", { defaultValue: () => "nothing" })

export const secret = "duplicate key: (email)=(kim@example.com)"

export class Probe extends Context.Service<Probe, {
  readonly started: Queue.Queue<void>
  readonly interrupted: Queue.Queue<void>
}>()("test/Probe") {
  static readonly layer = Layer.effect(
    Probe,
    Effect.all({ started: Queue.unbounded<void>(), interrupted: Queue.unbounded<void>() })
  )
}

export const handlers = SampleRpc.toLayer(Effect.gen(function*() {
  const { interrupted, started } = yield* Probe
  return SampleRpc.of({
    "Sample.Double": ({ price }) => CallingService.useSync(({ name }) => ({ price: times(price, 2), caller: name })),
    "Sample.Refuse": ({ wanted }) => Effect.fail(new OutOfStock({ wanted })),
    "Sample.Break": () => Effect.die(new Error(secret)),
    "Sample.Hang": () =>
      Queue.offer(started, undefined).pipe(
        Effect.andThen(Effect.never),
        Effect.onInterrupt(() => Queue.offer(interrupted, undefined))
      ),
    "Sample.Remaining": () => Effect.zipWith(Deadline, monotonicMillis, (deadline, now) => deadline - now),
    "Sample.Surroundings": () =>
      Effect.zipWith(OnCallersFiber, Effect.orDie(Effect.currentSpan), (caller, { traceId }) => ({ caller, traceId }))
  })
}))

/** A shorter deadline, as set by a caller of the caller. */
export const within = (millis: number) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(monotonicMillis, (now) => Effect.provideService(effect, Deadline, now + millis))

export const won = (amount: number) => new Money({ amount, currency: "KRW" })

/** Everything that is logged while the effect runs. */
export const logged = <A, E, R>(effect: Effect.Effect<A, E, R>) => {
  const lines: Array<string> = []
  const logger = Logger.make(({ cause, message }) => void lines.push(`${String(message)} ${String(cause)}`))
  return Effect.map(Effect.provide(effect, Logger.layer([logger])), (value) => [value, lines] as const)
}
