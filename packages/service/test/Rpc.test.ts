import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Exit, Fiber, Layer, Queue, Scope } from "effect"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Money } from "@marketplace/domain/Money"
import { OrderId } from "@marketplace/domain/Order/Ids"
import { OrderNotFound } from "@marketplace/domain/Order/Order"
import { MemberId } from "@marketplace/domain/User/Ids"
import type { ServiceName } from "@marketplace/schema/Access"
import { OrderRpc } from "@marketplace/schema/Order/Rpc"
import { PaymentRpc } from "@marketplace/schema/Payment/Rpc"
import { OrderClient, PaymentClient } from "@marketplace/service/Clients"
import { contracts, layerServerLocal } from "@marketplace/service/Rpc"
import * as Calls from "@marketplace/service/Rpc/Calls"
import { LocalRpc } from "@marketplace/service/Rpc/LocalRpc"
import { layersGenerated } from "@marketplace/service/Tokens/ServiceTokens"
import {
  contract, handlers, logged, OnCallersFiber, OutOfStock, Probe, type SampleCalls, secret, within, won
} from "./Rpc/Sample.ts"
import { listen, passOn, serveSample } from "./Rpc/Sockets.ts"

/** The two ways to join a client with a server. */
class Transport extends Context.Service<Transport, {
  /** Until the scope is closed. */
  readonly serve: Effect.Effect<void, never, Scope.Scope>
  readonly calls: (caller: ServiceName) => Effect.Effect<SampleCalls, never, Scope.Scope>
}>()("test/Transport") {}

const local = Layer.effect(Transport, Effect.gen(function*() {
  const rpc = yield* LocalRpc
  const probe = yield* Probe
  return Transport.of({
    serve: layerServerLocal(contract).pipe(
      Layer.provide(handlers),
      Layer.fresh,
      Layer.build,
      Effect.asVoid,
      Effect.provideService(LocalRpc, rpc),
      Effect.provideService(Probe, probe)
    ),
    calls: (caller) => Effect.provideService(Calls.local(contract, caller), LocalRpc, rpc)
  })
})).pipe(Layer.provide(LocalRpc.layer))

const http = Layer.effect(Transport, Effect.gen(function*() {
  const probe = yield* Probe
  const tokensOf = yield* layersGenerated
  let callee: number | undefined
  const url = yield* listen((socket) => {
    if (callee === undefined) socket.destroy()
    else passOn(socket, callee).pipe(socket)
  })
  const config = ConfigProvider.layer(ConfigProvider.fromUnknown({ PAYMENT_URL: url }))
  return Transport.of({
    serve: Effect.gen(function*() {
      callee = yield* serveSample(tokensOf("payment"))
      yield* Effect.addFinalizer(() => Effect.sync(() => {
        callee = undefined
      }))
    }).pipe(Effect.provideService(Probe, probe), Effect.orDie),
    calls: (caller) =>
      Layer.build(Layer.mergeAll(tokensOf(caller), NodeHttpClient.layerUndici, config)).pipe(
        Effect.flatMap((context) => Effect.provide(Calls.http(contract, "PAYMENT_URL"), context)),
        Effect.orDie
      )
  })
}))

const orderId = OrderId.make("01900000-0000-7000-8000-000000000001")
const memberId = MemberId.make("01900000-0000-7000-8000-000000000002")

for (const [name, transport] of [["in memory", local], ["over HTTP", http]] as const) {
  const test = (what: string, effect: Effect.Effect<void, unknown, Transport | Probe | Scope.Scope>) =>
    it.live(what, () => effect.pipe(Effect.scoped, Effect.provide(transport.pipe(Layer.provideMerge(Probe.layer)))))

  const served = Effect.gen(function*() {
    const transport = yield* Transport
    yield* transport.serve
    return yield* transport.calls("order")
  })

  describe(`calls ${name}`, () => {
    test("give what the procedure gives, and tell it who calls", Effect.gen(function*() {
      const { price, ...rest } = yield* (yield* served).Double({ price: won(700) })
      assert.instanceOf(price, Money)
      assert.deepStrictEqual({ ...price, ...rest }, { amount: 1400, currency: "KRW", caller: "order" })
    }))

    test("fail with the procedure's own errors", Effect.gen(function*() {
      const error = yield* Effect.flip((yield* served).Refuse({ wanted: 3 }))
      assert.instanceOf(error, OutOfStock)
      assert.deepStrictEqual(error, new OutOfStock({ wanted: 3 }))
    }))

    test("hide a defect from the caller, and leave the other calls alone", Effect.gen(function*() {
      const calls = yield* served
      const hanging = yield* Effect.forkChild(calls.Hang())
      yield* Queue.take((yield* Probe).started)
      const [error, lines] = yield* logged(Effect.flip(calls.Break()))
      assert.deepStrictEqual([error._tag, error.callee, error.retryAfterSeconds], ["CalleeUnavailable", "payment", 1])
      assert.notInclude(JSON.stringify(error), secret)
      assert.isNotEmpty(lines)
      assert.notInclude(lines.join(), secret)
      assert.isUndefined(hanging.pollUnsafe())
      yield* Fiber.interrupt(hanging)
    }))

    test("end at their deadline, at the callee too", Effect.gen(function*() {
      const calls = yield* served
      const [error] = yield* logged(calls.Hang().pipe(within(100), Effect.flip))
      assert.deepStrictEqual([error._tag, error.detail], ["CalleeUnavailable", "payment gave no answer in time"])
      yield* Queue.take((yield* Probe).interrupted)
      assert.deepStrictEqual((yield* calls.Double({ price: won(1) })).price, won(2))
    }))

    test("end when their caller is interrupted, at the callee too, and without a word", Effect.gen(function*() {
      const { interrupted, started } = yield* Probe
      const calls = yield* served
      const [exit, lines] = yield* logged(Effect.gen(function*() {
        const call = yield* Effect.forkChild(calls.Hang())
        yield* Queue.take(started)
        yield* Fiber.interrupt(call)
        return yield* Fiber.await(call)
      }))
      assert.isTrue(Exit.hasInterrupts(exit))
      assert.deepStrictEqual(lines, [])
      yield* Queue.take(interrupted)
    }))

    test("pass the deadline on", Effect.gen(function*() {
      const calls = yield* served
      const own = yield* calls.Remaining()
      const given = yield* calls.Remaining().pipe(within(500))
      assert.isTrue(own > 1000 && own <= 3000, String(own))
      assert.isTrue(given > 0 && given <= 500, String(given))
      assert.strictEqual((yield* calls.Remaining().pipe(within(0), Effect.flip))._tag, "CalleeUnavailable")
    }))

    test("fail within their deadline while nobody answers", Effect.gen(function*() {
      const calls = yield* (yield* Transport).calls("order")
      const [error] = yield* logged(calls.Double({ price: won(1) }).pipe(within(200), Effect.flip))
      assert.strictEqual(error._tag, "CalleeUnavailable")
    }))

    test("that come too early are answered once there is somebody", Effect.gen(function*() {
      const transport = yield* Transport
      const calls = yield* transport.calls("order")
      const call = yield* Effect.forkChild(calls.Double({ price: won(2) }), { startImmediately: true })
      yield* Effect.sleep("50 millis")
      assert.isUndefined(call.pollUnsafe())
      yield* transport.serve
      assert.deepStrictEqual((yield* Fiber.join(call)).price, won(4))
    }))

    test("are made again when the callee stops, and answered by the next one", Effect.gen(function*() {
      const transport = yield* Transport
      const { started } = yield* Probe
      const calls = yield* transport.calls("order")
      const first = yield* Scope.make()
      yield* Scope.provide(transport.serve, first)
      const call = yield* Effect.forkChild(calls.Hang())
      yield* Queue.take(started)
      yield* Scope.close(first, Exit.void)
      assert.isUndefined(call.pollUnsafe())
      yield* transport.serve
      yield* Queue.take(started)
      yield* Fiber.interrupt(call)
    }))

    test("are not for everybody", Effect.gen(function*() {
      const transport = yield* Transport
      yield* transport.serve
      const calls = yield* transport.calls("product")
      const [error, lines] = yield* logged(Effect.flip(calls.Double({ price: won(1) })))
      assert.strictEqual(error._tag, "CalleeUnavailable")
      assert.include(lines.join(), "product may not call payment")
    }))

    test("bring the trace along, and nothing else of the caller's fiber", Effect.gen(function*() {
      const calls = yield* served
      const { caller, traceId } = yield* calls.Surroundings().pipe(Effect.provideService(OnCallersFiber, "a transaction"))
      assert.strictEqual(caller, "nothing")
      assert.strictEqual(traceId, (yield* Effect.currentSpan).traceId)
    }).pipe(Effect.withSpan("caller")))

    test("of several callers keep apart", Effect.gen(function*() {
      const transport = yield* Transport
      yield* transport.serve
      const own = yield* transport.calls("order")
      const closed = yield* Scope.make()
      const other = yield* Scope.provide(transport.calls("order"), closed)
      const answers = yield* Effect.all(
        Array.from({ length: 50 }, (_, n) => (n % 2 === 0 ? own : other).Double({ price: won(n) })),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(answers.map(({ price }) => price.amount), Array.from({ length: 50 }, (_, n) => 2 * n))
      yield* Scope.close(closed, Exit.void)
      assert.deepStrictEqual((yield* own.Double({ price: won(1) })).price, won(2))
    }))
  })
}

describe("calls in memory", () => {
  it.live("wait for their callee, however many there are, and cost no retry", () =>
    Effect.gen(function*() {
      const transport = yield* Transport
      const calls = yield* transport.calls("order")
      const all = Array.from({ length: 50 }, (_, n) => calls.Double({ price: won(n) }))
      const calling = Effect.all(all, { concurrency: "unbounded" })
      for (const _ of ["before the first", "between two"]) {
        const waiting = yield* Effect.forkChild(calling, { startImmediately: true })
        const running = yield* Scope.make()
        yield* Scope.provide(transport.serve, running)
        assert.lengthOf(yield* Fiber.join(waiting), 50)
        yield* Scope.close(running, Exit.void)
      }
    }).pipe(Effect.scoped, Effect.provide(local.pipe(Layer.provideMerge(Probe.layer)))))

  it.live("join two services that call each other, whichever is built first", () =>
    Effect.gen(function*() {
      const order = Layer.provide(layerServerLocal(contracts.order), OrderRpc.toLayer(Effect.gen(function*() {
        const payment = yield* PaymentClient
        return OrderRpc.of({
          "Order.OrderStanding": ({ orderId }) =>
            payment.SealPayments({ orderId }).pipe(
              Effect.map((sealed) => sealed === "SEALED" ? "EXPIRED" : "PLACED"),
              Effect.orDie
            ),
          "Order.PayableOrder": ({ orderId }) => Effect.fail(new OrderNotFound({ orderId }))
        })
      }))).pipe(Layer.provide(PaymentClient.layerLocal("order")))
      const payment = Layer.provide(layerServerLocal(contracts.payment), PaymentRpc.toLayer(Effect.gen(function*() {
        const orders = yield* OrderClient
        return PaymentRpc.of({
          "Payment.SealPayments": ({ orderId }) =>
            orders.PayableOrder({ orderId, memberId }).pipe(
              Effect.as("PAID" as const),
              Effect.catchTag("OrderNotFound", () => Effect.succeed("SEALED" as const)),
              Effect.orDie
            )
        })
      }))).pipe(Layer.provide(OrderClient.layerLocal("payment")))

      for (const both of [Layer.provideMerge(order, payment), Layer.provideMerge(payment, order)]) {
        const product = OrderClient.layerLocal("product").pipe(
          Layer.provideMerge(both),
          Layer.provide(Layer.fresh(LocalRpc.layer))
        )
        const standing = yield* OrderClient.use((orders) => orders.OrderStanding({ orderId })).pipe(Effect.provide(product))
        assert.strictEqual(standing, "EXPIRED")
      }
    }))
})
