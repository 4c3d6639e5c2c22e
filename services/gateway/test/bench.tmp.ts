import { Effect, Layer } from "effect"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { HttpClient } from "effect/http"
import { Upstream, world, portOf } from "./World.ts"
const run = Effect.gen(function*() {
  const port = yield* portOf
  const { urls } = yield* Upstream
  const client = yield* HttpClient.HttpClient
  const get = (url: string) => client.get(url).pipe(Effect.flatMap((r) => r.text), Effect.withTracerEnabled(false))
  const bench = (name: string, url: string, n: number) => Effect.gen(function*() {
    const a = performance.now()
    yield* Effect.forEach(Array.from({ length: n }), () => get(url), { concurrency: 16, discard: true })
    console.log(name, Math.round(n / (performance.now() - a) * 1000), "/s")
  })
  for (let i = 0; i < 3; i++) {
    yield* bench("direct ", `${urls[0]}/v1/products`, 3000)
    yield* bench("gateway", `http://127.0.0.1:${port}/v1/products`, 3000)
  }
})
Effect.runPromise(run.pipe(Effect.provide(Layer.mergeAll(world(), NodeHttpClient.layerUndici)), Effect.scoped))
