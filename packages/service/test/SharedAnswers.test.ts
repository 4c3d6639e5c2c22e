import { assert, layer } from "@effect/vitest"
import { Config, Effect, Layer, Logger, Schema } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApi, HttpApiBuilder, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { sharedFor, SharesAnswers } from "@marketplace/schema/Caching"
import { Unavailable, ValidatesRequests } from "@marketplace/schema/Problems"
import { conventions } from "@marketplace/schema/Requests"
import { Health } from "../src/Health.ts"
import * as InvalidRequests from "../src/InvalidRequests.ts"
import * as Server from "../src/Server.ts"
import * as SharedAnswers from "../src/SharedAnswers.ts"
import { portOf } from "./Server/Shop.ts"

const Named = Schema.Struct({ name: Schema.String })

class NewsApi extends HttpApi.make("news")
  .add(
    HttpApiGroup.make("news").add(
      HttpApiEndpoint.get("get", "/v1/news/:name", {
        params: { name: Schema.Literals(["fine", "busy", "broken", "odd", "own"]) },
        success: Named,
        error: Unavailable
      }).annotateMerge(sharedFor("2 minutes")),
      HttpApiEndpoint.get("mine", "/v1/mine", { success: Named })
    )
  )
  .annotateMerge(conventions)
  .middleware(SharesAnswers)
  .middleware(ValidatesRequests)
{}

type Outcome = Effect.Effect<{ readonly name: string } | HttpServerResponse.HttpServerResponse, Unavailable>

const outcomes: Readonly<Record<"fine" | "busy" | "broken" | "odd" | "own", Outcome>> = {
  fine: Effect.succeed({ name: "fine" }),
  busy: Effect.suspend(() => new Unavailable({ retryAfterSeconds: 1 })),
  broken: Effect.die(new Error("broken")),
  odd: Effect.succeed(HttpServerResponse.jsonUnsafe({}, { status: 404 })),
  own: Effect.succeed(HttpServerResponse.jsonUnsafe({}, { headers: { "cache-control": "private" } }))
}

const News = HttpApiBuilder.layer(NewsApi).pipe(
  Layer.provide(HttpApiBuilder.group(NewsApi, "news", (handlers) =>
    handlers.handleAll({
      get: ({ params }) => outcomes[params.name],
      mine: () => Effect.succeed({ name: "mine" })
    }))),
  Layer.provide([InvalidRequests.layer, SharedAnswers.layer])
)

const World = Server.serve(News, { service: "news", port: Config.succeed(0) }).pipe(Layer.provide([Health.layer, Logger.layer([])]))

layer(World, { excludeTestServices: true })("an operation whose answers are shared", (it) => {
  const told = Effect.fnUntraced(function*(path: string) {
    const port = yield* portOf
    const { headers, status } = yield* Effect.promise(() => fetch(`http://127.0.0.1:${port}${path}`))
    return [status, headers.get("cache-control")]
  })

  it.effect("says so of what is the same for everybody, and of nothing else", () => Effect.gen(function*() {
    assert.deepStrictEqual(yield* told("/v1/news/fine"), [200, "public, max-age=120"])
    assert.deepStrictEqual(yield* told("/v1/news/own"), [200, "private"])
    assert.deepStrictEqual(yield* told("/v1/news/odd"), [404, "no-store"])
    assert.deepStrictEqual(yield* told("/v1/news/busy"), [503, "no-store"])
    assert.deepStrictEqual(yield* told("/v1/news/broken"), [500, "no-store"])
    assert.deepStrictEqual(yield* told("/v1/news/unknown"), [400, "no-store"])
    assert.deepStrictEqual(yield* told("/v1/mine"), [200, "no-store"])
  }))
})
