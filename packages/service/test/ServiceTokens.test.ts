import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Layer, Redacted } from "effect"
import { TestClock } from "effect/testing"
import type { ServiceName } from "@marketplace/schema/Access"
import { type Kind, sign } from "@marketplace/service/Tokens/Jwt"
import { generateKeys, type PublicJwk, readSigningKey } from "@marketplace/service/Tokens/Keys"
import { ServiceTokens } from "@marketplace/service/Tokens/ServiceTokens"

const as = (publicJwk: PublicJwk, kid: string): PublicJwk => ({ ...publicJwk, kid })

const world = Effect.gen(function*() {
  yield* TestClock.setTime(1_800_000_000_000)
  const order = yield* generateKeys
  const payment = yield* generateKeys
  const stranger = yield* generateKeys
  const keySet = { keys: [as(order.publicJwk, "order"), as(payment.publicJwk, "payment")] }
  const tokens = (name: ServiceName, { privatePem }: typeof order, keys = keySet) =>
    Effect.map(Layer.build(ServiceTokens.layer({ name, privatePem, keySet: keys })), Context.get(ServiceTokens))
  const forge = Effect.fnUntraced(function*(
    pair: typeof order,
    changed: { readonly kid?: string; readonly sub?: string; readonly aud?: string; readonly kind?: Partial<Kind> } = {}
  ) {
    const { privateKey } = yield* readSigningKey("test", pair.privatePem)
    const { aud = "payment", kid = "order", kind, sub = "order" } = changed
    const token = yield* sign({ typ: "service+jwt", lifetime: Duration.seconds(60), ...kind }, { sub, aud }, { kid, privateKey })
    return Redacted.make(token)
  })
  return { order, payment, stranger, keySet, tokens, forge, callee: yield* tokens("payment", payment) }
})
type World = Effect.Success<typeof world>

const refusals: Readonly<Record<string, (world: World) => Effect.Effect<Redacted.Redacted, unknown>>> = {
  "nothing": () => Effect.succeed(Redacted.make("")),
  "a token for another callee": ({ forge, order }) => forge(order, { aud: "product" }),
  "an access token": ({ forge, order }) => forge(order, { kind: { typ: "at+jwt" } }),
  "a token that ended": ({ forge, order }) => Effect.tap(forge(order), TestClock.adjust("90 seconds")),
  "a token that lives longer than one may": ({ forge, order }) =>
    Effect.tap(forge(order, { kind: { lifetime: Duration.hours(1) } }), TestClock.adjust("91 seconds")),
  "a token from a clock that is far ahead": ({ forge, order }) =>
    TestClock.adjust("31 seconds").pipe(Effect.andThen(forge(order)), Effect.tap(TestClock.setTime(1_800_000_000_000))),
  "a stranger's key": ({ forge, stranger }) => forge(stranger),
  "a stranger's key id": ({ forge, stranger }) => forge(stranger, { kid: stranger.publicJwk.kid }),
  "another service's key": ({ forge, payment }) => forge(payment),
  "another service's key under its own id": ({ forge, payment }) => forge(payment, { kid: "payment" }),
  "its own key for another name": ({ forge, order }) => forge(order, { sub: "gateway" }),
  "a name that no service has": ({ forge, order }) => forge(order, { sub: "admin" })
}

describe("ServiceTokens", () => {
  it.effect("lets a callee know who calls", () =>
    Effect.gen(function*() {
      const { callee, forge, order, tokens } = yield* world
      const caller = yield* tokens("order", order)
      assert.strictEqual(yield* callee.verify(yield* caller.issue("payment"), "payment"), "order")
      assert.strictEqual(yield* callee.verify(yield* forge(order), "payment"), "order")
    }))

  for (const [name, made] of Object.entries(refusals)) {
    it.effect(`refuses ${name}`, () =>
      Effect.gen(function*() {
        const here = yield* world
        const token = yield* made(here)
        const errors = yield* Effect.replicateEffect(Effect.flip(here.callee.verify(token, "payment")), 2)
        assert.deepStrictEqual(errors.map(({ _tag }) => _tag), ["ServiceRefused", "ServiceRefused"])
      }))
  }

  it.effect("refuses for another callee what it took for one, and for each what has ended", () =>
    Effect.gen(function*() {
      const { callee, forge, order } = yield* world
      const token = yield* forge(order)
      assert.strictEqual(yield* callee.verify(token, "payment"), "order")
      yield* Effect.flip(callee.verify(token, "product"))
      yield* TestClock.adjust("89 seconds")
      assert.strictEqual(yield* callee.verify(token, "payment"), "order")
      yield* TestClock.adjust("1 second")
      yield* Effect.flip(callee.verify(token, "payment"))
    }))

  it.effect("uses a token again until ten seconds before its end, for its callee only", () =>
    Effect.gen(function*() {
      const { callee, order, tokens } = yield* world
      const caller = yield* tokens("order", order)
      const first = yield* caller.issue("payment")
      yield* TestClock.adjust("49 seconds")
      assert.strictEqual(yield* caller.issue("payment"), first)
      assert.notStrictEqual(yield* caller.issue("product"), first)
      yield* TestClock.adjust("1 second")
      const second = yield* caller.issue("payment")
      assert.notStrictEqual(Redacted.value(second), Redacted.value(first))
      yield* callee.verify(second, "payment")
    }))

  it.effect("does not keep a token of the future when the clock is set back", () =>
    Effect.gen(function*() {
      const { callee, order, tokens } = yield* world
      const caller = yield* tokens("order", order)
      yield* TestClock.adjust("1 hour")
      yield* caller.issue("payment")
      yield* TestClock.setTime(1_800_000_000_000)
      assert.strictEqual(yield* callee.verify(yield* caller.issue("payment"), "payment"), "order")
    }))

  it.effect("changes a service's key", () =>
    Effect.gen(function*() {
      const { keySet, order, payment, tokens } = yield* world
      const next = yield* generateKeys
      const both = { keys: [...keySet.keys, as(next.publicJwk, "order/2")] }
      const callee = yield* tokens("payment", payment, both)
      assert.strictEqual(yield* callee.verify(yield* (yield* tokens("order", order, both)).issue("payment"), "payment"), "order")
      assert.strictEqual(yield* callee.verify(yield* (yield* tokens("order", next, both)).issue("payment"), "payment"), "order")
    }))

  it.effect("does not start with a key that the others do not know as its own", () =>
    Effect.gen(function*() {
      const { payment, stranger, tokens } = yield* world
      assert.strictEqual((yield* Effect.flip(tokens("order", stranger)))._tag, "InvalidKey")
      assert.strictEqual((yield* Effect.flip(tokens("order", payment)))._tag, "InvalidKey")
    }))
})
