import { Context, Effect, Schema } from "effect"
import { HttpApi, OpenApi } from "effect/http-api"

/** Names one attempt of one caller to create something, so that sending it again creates nothing twice. */
export const IdempotencyKey = Schema.String.check(Schema.isPattern(/^[\x21-\x7e]{1,255}$/))
  .annotate({ identifier: "IdempotencyKey", description: "1 to 255 visible characters, unique per intent, kept for 24 hours" })
export type IdempotencyKey = typeof IdempotencyKey.Type

/** Headers of an operation that creates or charges. */
export const idempotent = { "idempotency-key": IdempotencyKey }

/** Query of a list: how many items, and where the previous page ended. */
export const page = {
  limit: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 })).pipe(Schema.withDecodingDefaultKey(Effect.succeed(20))),
  cursor: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(500)))
}

/** A page of a list; `nextCursor` is null on the last one. */
export const pageOf = <S extends Schema.Top>(item: S) =>
  Schema.Struct({ items: Schema.Array(item), nextCursor: Schema.NullOr(Schema.String) })

export const summary = (text: string) => OpenApi.annotations({ summary: text })

/**
 * How every API reads: unknown fields of a request are refused, and all its offences are told at once. Headers are the
 * transport's, and what an answer says beyond the contract a client leaves aside.
 */
export const conventions = Context.make(HttpApi.ParseOptions, { onExcessProperty: "error", errors: "all" }).pipe(
  Context.add(HttpApi.HeadersParseOptions, {}),
  Context.add(HttpApi.SuccessParseOptions, {}),
  Context.add(HttpApi.ErrorParseOptions, {})
)
