import { Config, Context, DateTime, Effect, Layer, Logger, Schema } from "effect"
import { HttpServer } from "effect/http"
import { HttpApi, HttpApiBuilder, HttpApiEndpoint, HttpApiError, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { SqlClient } from "effect/sql"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { OrderId } from "@marketplace/domain/Order/Ids"
import * as Database from "@marketplace/postgres/Database"
import { PostgresServer } from "@marketplace/postgres/PostgresServer"
import * as Write from "@marketplace/postgres/Write"
import { IdempotencyKeyReused, RequestInFlight, Unavailable, ValidatesRequests } from "@marketplace/schema/Problems"
import { conventions, idempotent } from "@marketplace/schema/Requests"
import * as TestDatabase from "../../../testing/src/TestDatabase.ts"
import { Commands } from "../../src/Commands.ts"
import { Health } from "../../src/Health.ts"
import { type Attempt, Idempotency, migration, operation } from "../../src/Idempotency.ts"
import * as InvalidRequests from "../../src/InvalidRequests.ts"
import * as Server from "../../src/Server.ts"

class ThingView extends Schema.Class<ThingView>("ThingView")({
  id: OrderId,
  name: Schema.String,
  madeAt: Schema.DateTimeUtcFromString
}) {}

export class NotMade extends HttpApiError.Problem<NotMade>()("NotMade", {
  type: "/problems/not-made",
  status: 409,
  title: "The thing could not be made"
}, { id: OrderId }) {}

class ThingsGroup extends HttpApiGroup.make("things").add(
  HttpApiEndpoint.post("make", "/:shelf", {
    headers: { ...idempotent, "x-caller": Schema.String },
    params: { shelf: Schema.String },
    payload: Schema.Struct({ name: Schema.String, size: Schema.optionalKey(Schema.Struct({ w: Schema.Int, h: Schema.Int })) }),
    success: ThingView.pipe(HttpApiSchema.status(201)),
    error: [NotMade, Unavailable, IdempotencyKeyReused, RequestInFlight]
  })
).prefix("/v1/shelves") {}

class ThingApi extends HttpApi.make("things")
  .add(ThingsGroup)
  .annotateMerge(conventions)
  .middleware(ValidatesRequests)
{}

export const making = operation(ThingsGroup.endpoints.make, OrderId)

type Work = (attempt: Attempt<OrderId>) => Effect.Effect<ThingView, NotMade | Unavailable | RequestInFlight, never>

/** How things of a name are made; each test brings its own. */
export class Workshop extends Context.Service<Workshop, {
  readonly works: Map<string, Work>
  readonly insert: (id: OrderId, name: string, also?: Write.Write<RequestInFlight>) => Effect.Effect<void, RequestInFlight>
  /** In the caller's transaction. */
  readonly finish: (id: OrderId) => Effect.Effect<ThingView>
}>()("Workshop") {
  static readonly layer = Layer.effect(Workshop, Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const idempotency = yield* Idempotency
    return Workshop.of({
      works: new Map(),
      insert: Effect.fnUntraced(function*(id, name, also = Write.nothing) {
        yield* sql`with made as (insert into thing (id, name) values (${id}, ${name}))
          ${Write.parts(sql, "also", also, sql`true`)} select`.pipe(Effect.mapError(also.meaning))
        yield* also.made
      }, Effect.catchTag("SqlError", Effect.die)),
      finish: (id) =>
        Effect.gen(function*() {
          const [row] = yield* sql`update thing set done = true where id = ${id} returning id, name, made_at`
          const madeAt = Schema.decodeUnknownSync(Schema.DateTimeUtcFromDate)(row?.madeAt)
          const view = new ThingView({ id, name: String(row?.name), madeAt })
          yield* Write.run(sql, yield* idempotency.complete(making, id, view))
          return view
        }).pipe(Effect.orDie)
    })
  }))
}

const Http = HttpApiBuilder.group(ThingApi, "things", Effect.fn(function*(handlers) {
  const idempotency = yield* Idempotency
  const { works } = yield* Workshop
  return handlers.handleAll({
    make: Effect.fn(function*({ headers, payload }) {
      const work = works.get(payload.name) ?? (() => Effect.die(`nobody makes ${payload.name}`))
      return yield* idempotency.attempt(making, { caller: headers["x-caller"], key: headers["idempotency-key"] }, work)
    })
  })
}))

const schema = {
  name: "idempotency_test",
  migrations: [
    migration,
    {
      id: "0001_thing",
      sql: `create table thing (
        id uuid primary key, name text not null, done boolean not null default false, made_at timestamptz not null default now()
      )`
    }
  ]
}

const routes = HttpApiBuilder.layer(ThingApi).pipe(Layer.provide(Http), Layer.provide(InvalidRequests.layer))

export const World = Server.serve(routes, { service: "things", port: Config.succeed(0) }).pipe(
  Layer.provideMerge(Workshop.layer),
  Layer.provideMerge(Idempotency.layer),
  Layer.provide([Commands.layer, NodeCrypto.layerSecureRandom, Health.layer, Logger.layer([])]),
  Layer.provideMerge(Layer.unwrap(Effect.map(PostgresServer, ({ urlOf }) =>
    Database.layer({ url: urlOf(schema.name), service: "things", maxConnections: 10 })))),
  Layer.provide(TestDatabase.layer([schema]))
)

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly body: {
    readonly id?: string
    readonly type?: string
    readonly detail?: string
    readonly instance?: string
    readonly errors?: ReadonlyArray<{ readonly pointer: string }>
  }
}

export const port = Effect.map(HttpServer.HttpServer, ({ address }) => "port" in address ? address.port : 0)

interface Sending {
  readonly key: string
  readonly caller?: string
  readonly shelf?: string
  readonly body?: string
}

export const send = (name: string, options: Sending): Effect.Effect<Answer, never, HttpServer.HttpServer> =>
  Effect.flatMap(port, (port) =>
    Effect.promise(async () => {
      const response = await fetch(`http://127.0.0.1:${port}/v1/shelves/${options.shelf ?? "top"}`, {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": options.key, "x-caller": options.caller ?? "anna" },
        body: options.body ?? JSON.stringify({ name })
      })
      const text = await response.text()
      return { status: response.status, headers: response.headers, text, body: JSON.parse(text) }
    }))

export const isReplayed = (answer: Answer) => answer.headers.get("idempotency-replayed") === "true"

/** Key, thing and answer are one commit. */
export const inOneTransaction = (name: string, before: Effect.Effect<void, NotMade | Unavailable> = Effect.void) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const { finish, insert, works } = yield* Workshop
    works.set(name, (attempt) =>
      Effect.gen(function*() {
        yield* Write.run(sql, attempt.begin())
        yield* insert(attempt.resourceId, name)
        yield* before
        return yield* finish(attempt.resourceId)
      }).pipe(sql.withTransaction, Effect.catchTag("SqlError", Effect.die)))
  })

/** Key, thing and answer are one statement. */
export const inOneStatement = (name: string) =>
  Effect.gen(function*() {
    const { insert, works } = yield* Workshop
    works.set(name, Effect.fnUntraced(function*(attempt) {
      const view = new ThingView({ id: attempt.resourceId, name, madeAt: yield* DateTime.now })
      yield* insert(attempt.resourceId, name, attempt.begin(yield* making.encode(view)))
      return view
    }))
  })

/** The first commit stores key and thing; the second one finishes, after `between`. */
export const inSteps = (name: string, between: (attempt: Attempt<OrderId>) => Effect.Effect<unknown, Unavailable>) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const { finish, insert, works } = yield* Workshop
    works.set(name, Effect.fnUntraced(function*(attempt) {
      if (!attempt.resumed) yield* insert(attempt.resourceId, name, attempt.begin())
      yield* between(attempt)
      return yield* finish(attempt.resourceId).pipe(sql.withTransaction, Effect.catchTag("SqlError", Effect.die))
    }))
  })

export const things = (name: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    sql<{ readonly id: string; readonly done: boolean }>`select id, done from thing where name = ${name}`)

export const records = (key: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql`select resource_id, status, body from idempotency where key = ${key}`)

export const leaseRunsOut = (key: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    sql`update idempotency set lease_until = now() - interval '1 second' where key = ${key}`)

export const count = (answers: ReadonlyArray<Answer>, status: number) =>
  answers.filter((answer) => answer.status === status).length
