import { Effect, Layer } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import * as Server from "../src/Server.ts"
const routes = HttpRouter.add("GET", "/v1/things/:id", Effect.succeed(HttpServerResponse.jsonUnsafe({ id: 1 })))
const run = (name: string, answer: any) => Effect.gen(function*() {
  const req = HttpServerRequest.fromWeb(new Request("http://localhost/v1/things/1"))
  const one = Effect.scoped(Effect.provideService(answer, HttpServerRequest.HttpServerRequest, req))
  for (let i = 0; i < 20000; i++) yield* one as any
  const c = process.cpuUsage()
  for (let i = 0; i < 100000; i++) yield* one as any
  const d = process.cpuUsage(c)
  console.log(name, ((d.user + d.system) / 100000).toFixed(2), "µs per request")
})
await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
  const bare = yield* HttpRouter.toHttpEffect(routes)
  const full = yield* Server.inMemory(routes)
  for (let k = 0; k < 2; k++) { yield* run("bare", bare); yield* run("full", full) }
})) as any)
