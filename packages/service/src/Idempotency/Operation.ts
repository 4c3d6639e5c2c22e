import { Effect, Schema, SchemaAST } from "effect"
import { HttpServerRespondable } from "effect/http"
import type { HttpApiEndpoint } from "effect/http-api"

/** An operation whose contract asks for an `Idempotency-Key`; made by `operation`. */
export interface Operation<Id extends string, in View, in Refusal> {
  readonly route: string
  readonly idOf: (id: string) => Id
  readonly encode: (answer: View | Refusal) => Effect.Effect<Answer>
}

/** What is stored of an answer. */
export interface Answer {
  readonly status: number
  /** JSON text. */
  readonly body: string
}

/** Refusals that stay what they are when they are asked for again: 4xx without 429. */
export type Final<Problem> = Problem extends { readonly status: infer Status extends number }
  ? Status extends 429 ? never : `${Status}` extends `4${string}` ? Problem : never
  : never

/** Any endpoint of a contract. */
interface Endpoint extends HttpApiEndpoint.Constraint {
  readonly method: string
  readonly path: string
  readonly success: ReadonlySet<Schema.Top>
}

/**
 * @param endpoint of the contract; it has one success
 * @param id of the resource that the operation makes or decides
 */
export const operation = <E extends Endpoint, Id extends string>(
  endpoint: E,
  id: { readonly make: (id: string) => Id }
): Operation<Id, E["~Success"]["Type"], Final<E["~Error"]["Type"]>> => {
  // An endpoint keeps the types of its schemas apart from them; what the contracts send needs no services.
  const [success = Schema.Void] = endpoint.success as ReadonlySet<Schema.Codec<unknown, unknown>>
  const status = statusOf(success.ast)
  const encodeView = Schema.encodeUnknownEffect(success)
  return {
    route: `${endpoint.method} ${endpoint.path}`,
    idOf: (text) => id.make(text),
    encode: Effect.fnUntraced(function*(answer) {
      if (!HttpServerRespondable.isRespondable(answer)) {
        return { status, body: JSON.stringify(yield* Effect.orDie(encodeView(answer))) }
      }
      const { body, status: refused } = yield* HttpServerRespondable.toResponse(answer)
      return { status: refused, body: body._tag === "Uint8Array" ? new TextDecoder().decode(body.body) : "{}" }
    })
  }
}

/** Where `HttpApiSchema.status` puts it. */
const statusOf = (ast: SchemaAST.AST): number => {
  const status = SchemaAST.resolveAt("httpApiStatus")(ast) ?? ast.context?.annotations?.httpApiStatus
  return typeof status === "number" ? status : 200
}
