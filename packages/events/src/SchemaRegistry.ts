import { Config, Context, Effect, Layer, Option, Redacted, Schema } from "effect"
import { HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"
import { TransportUnavailable } from "./EventTransport.ts"

/** Schemas by number, in a registry that speaks Confluent's REST API. What it said once stays true, and is not asked again. */
export class SchemaRegistry extends Context.Service<SchemaRegistry, {
  /** Registers the schema under the subject, unless it is there; a subject's schemas are FULL_TRANSITIVE. */
  readonly idOf: (subject: string, avro: string) => Effect.Effect<number, TransportUnavailable>
  /** Undefined if the registry answers that there is no such schema. */
  readonly schemaOf: (id: number) => Effect.Effect<string | undefined, TransportUnavailable>
}>()("@marketplace/events/SchemaRegistry") {
  /** From `SCHEMA_REGISTRY_URL`; `SCHEMA_REGISTRY_USERNAME` and `SCHEMA_REGISTRY_PASSWORD` if it asks for them. */
  static readonly layerConfig = Layer.effect(SchemaRegistry, Effect.gen(function*() {
    const url = (yield* Config.String("SCHEMA_REGISTRY_URL")).replace(/\/+$/, "")
    const username = yield* Config.option(Config.String("SCHEMA_REGISTRY_USERNAME"))
    const password = yield* Config.Redacted("SCHEMA_REGISTRY_PASSWORD").pipe(Config.withDefault(Redacted.make("")))
    const client = (yield* HttpClient.HttpClient).pipe(
      HttpClient.mapRequest((request) => {
        const accepting = HttpClientRequest.accept(request, "application/vnd.schemaregistry.v1+json, application/json")
        return Option.isNone(username) ? accepting : HttpClientRequest.basicAuth(accepting, username.value, password)
      })
    )
    const ids = new Map<string, number>()
    const schemas = new Map<number, string>()

    const unavailable = (what: string) => (cause: unknown) =>
      new TransportUnavailable({ detail: `The schema registry at ${url} ${what}`, cause })

    const ask = (request: HttpClientRequest.HttpClientRequest) =>
      client.execute(request).pipe(Effect.timeout("5 seconds"), Effect.mapError(unavailable("does not answer")))

    /** Also a refusal is waited out: an event is never dropped because of it, and somebody has to look. */
    const expect = <A, I>(schema: Schema.Codec<A, I>) => (response: HttpClientResponse.HttpClientResponse) =>
      HttpClientResponse.filterStatusOk(response).pipe(
        Effect.flatMap(HttpClientResponse.schemaBodyJson(schema)),
        Effect.mapError(unavailable(`answered ${response.status} to ${response.request.url}`))
      )

    return SchemaRegistry.of({
      idOf: Effect.fn("SchemaRegistry.idOf")(function*(subject, avro) {
        const key = `${subject} ${avro}`
        const known = ids.get(key)
        if (known !== undefined) return known
        const path = encodeURIComponent(subject)
        const rule = HttpClientRequest.bodyJsonUnsafe(HttpClientRequest.put(`${url}/config/${path}`), {
          compatibility: "FULL_TRANSITIVE"
        })
        yield* Effect.flatMap(ask(rule), expect(Schema.Unknown))
        const version = HttpClientRequest.bodyJsonUnsafe(HttpClientRequest.post(`${url}/subjects/${path}/versions`), {
          schema: avro
        })
        const { id } = yield* Effect.flatMap(ask(version), expect(Schema.Struct({ id: Schema.Int })))
        ids.set(key, id)
        return id
      }),
      schemaOf: Effect.fn("SchemaRegistry.schemaOf")(function*(id) {
        const known = schemas.get(id)
        if (known !== undefined) return known
        const response = yield* ask(HttpClientRequest.get(`${url}/schemas/ids/${id}`))
        if (response.status === 404) return undefined
        const { schema } = yield* expect(Schema.Struct({ schema: Schema.String }))(response)
        schemas.set(id, schema)
        return schema
      })
    })
  }))
}
