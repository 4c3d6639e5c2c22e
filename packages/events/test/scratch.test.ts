import { assert, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { EventTransport } from "../src/EventTransport.ts"
import { layerPostgres } from "../src/TransportPostgres.ts"
import * as World from "./World.ts"

it.live("smoke", () => Effect.gen(function*() {
  const order = World.connection("order").pipe((c) => layerPostgres().pipe(Layer.provideMerge(c)))
  const product = World.connection("product").pipe((c) => layerPostgres().pipe(Layer.provideMerge(c)))
  const got: Array<unknown> = []
  const id = yield* World.newId.pipe(Effect.provide(order))
  yield* Effect.gen(function*() {
    const t = yield* EventTransport
    const es = [yield* World.envelope(World.statusChanged(id), 1), yield* World.envelope(World.statusChanged(id), 2)]
    yield* t.publish("order", es)
    yield* t.publish("order", es)
  }).pipe(Effect.provide(order))
  yield* Effect.gen(function*() {
    const t = yield* EventTransport
    yield* t.subscribe({ consumer: "product", contexts: ["order"], types: new Set(["OrderStatusChanged"] as const), handle: (d) => d.settle.pipe(Effect.orDie, Effect.andThen(Effect.sync(() => { got.push(d.envelope) }))) }).pipe(Effect.forkChild)
    yield* World.eventually(Effect.sync(() => got.length), (n) => n === 2)
  }).pipe(Effect.provide(product))
  console.log(got)
}).pipe(Effect.provide(World.database)))
