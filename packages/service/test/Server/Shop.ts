import { Effect, Layer, Schema } from "effect"
import { HttpServer, HttpServerResponse } from "effect/http"
import { HttpApi, HttpApiBuilder, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { ConnectionError, SqlError } from "effect/sql/SqlError"
import { Unauthenticated, Unavailable, ValidatesRequests } from "@marketplace/schema/Problems"
import { conventions } from "@marketplace/schema/Requests"
import * as InvalidRequests from "../../src/InvalidRequests.ts"

/** One operation per way to fail. */
class ShopApi extends HttpApi.make("shop")
  .add(
    HttpApiGroup.make("things").add(
      HttpApiEndpoint.post("make", "/v1/things", {
        payload: Schema.Struct({
          name: Schema.String,
          parts: Schema.Array(Schema.Struct({ "a/b": Schema.Int })),
          note: Schema.optionalKey(Schema.String)
        }),
        success: Schema.Struct({ name: Schema.String })
      }),
      HttpApiEndpoint.get("get", "/v1/things/:id", {
        params: { id: Schema.Literals(["fine", "public", "busy", "stranger", "broken", "databaseAway"]) },
        success: Schema.Struct({ id: Schema.String }),
        error: [Unavailable, Unauthenticated]
      })
    )
  )
  .annotateMerge(conventions)
  .middleware(ValidatesRequests)
{}

type Outcome = Effect.Effect<{ readonly id: string } | HttpServerResponse.HttpServerResponse, Unavailable | Unauthenticated>

const outcomes: Readonly<Record<"fine" | "public" | "busy" | "stranger" | "broken" | "databaseAway", Outcome>> = {
  fine: Effect.succeed({ id: "fine" }),
  public: Effect.succeed(HttpServerResponse.jsonUnsafe({ id: "public" }, { headers: { "cache-control": "public, max-age=60" } })),
  busy: Effect.suspend(() => new Unavailable({ retryAfterSeconds: 7 })),
  stranger: Effect.suspend(() => new Unauthenticated({})),
  broken: Effect.die(new Error("password=hunter2")),
  databaseAway: Effect.die(new SqlError({ reason: new ConnectionError({ cause: new Error("gone"), operation: "connect" }) }))
}

/** The operations as routes. */
export const Shop = HttpApiBuilder.layer(ShopApi).pipe(
  Layer.provide(HttpApiBuilder.group(ShopApi, "things", (handlers) =>
    handlers.handleAll({
      make: ({ payload }) => Effect.succeed({ name: payload.name }),
      get: ({ params }) => outcomes[params.id]
    }))),
  Layer.provide(InvalidRequests.layer)
)

/** Of the server in the context. */
export const portOf = Effect.map(HttpServer.HttpServer, ({ address }) => {
  if (!("port" in address)) throw new Error("no port")
  return address.port
})
