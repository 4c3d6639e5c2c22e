import { Effect, Layer, Schema } from "effect"
import { SqlClient, SqlError, SqlResolver, SqlSchema } from "effect/sql"
import type { Change } from "@marketplace/domain/Change"
import type { ProductEvent } from "@marketplace/domain/Product/Events"
import { ProductId, type VariantId } from "@marketplace/domain/Product/Ids"
import { Product, ProductNotFound, Variant } from "@marketplace/domain/Product/Product"
import { Outbox } from "@marketplace/events/Outbox"
import { ProductRepository, type Rule } from "./Repository.ts"

/** The catalogue in product's own schema, events in its outbox. */
export const layer = Layer.effect(ProductRepository, Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const outbox = yield* Outbox
  const columns = sql.literal("id, enterprise_id, seller, name, description, status, variants, sequence, version")

  const insert = Effect.fn("ProductRepository.insert")(function*({ events, state }: Change<Product, ProductEvent>) {
    const inserted = yield* sql`insert into product ${
      sql.insert({ ...(yield* encode(state)), variantIds: variantIds(state), sequence: events.length })
    } on conflict (id) do nothing returning id`
    if (inserted.length > 0) yield* outbox.append({ after: 0, events })
  }, sql.withTransaction, Effect.orDie)

  const read = SqlSchema.findOne({
    Request: ProductId,
    Result: Row,
    execute: (id) => sql`select ${columns} from product where id = ${id}`
  })
  const active = SqlSchema.findAll({
    Request: Schema.Struct({ before: Schema.NullOr(Schema.String), limit: Schema.Int }),
    Result: Row,
    execute: ({ before, limit }) =>
      sql`select ${columns} from product where status = 'ACTIVE' ${before === null ? sql`` : sql`and id < ${before}`}
        order by id desc limit ${limit}`
  })
  const ofVariants = SqlSchema.findAll({
    Request: Schema.Array(Schema.String),
    Result: Row,
    execute: (ids) => sql`select ${columns} from product where variant_ids && ${uuidArray(ids)}::uuid[]`
  })

  const byId = SqlResolver.findById({
    Id: ProductId,
    // Each caller decodes his own row: one that cannot be read fails nobody else.
    Result: Schema.Unknown,
    ResultId: (_, row: { readonly id: ProductId }) => row.id,
    execute: (ids) => sql<{ readonly id: ProductId }>`select ${columns} from product where id = any(${uuidArray(ids)}::uuid[])`
  })
  const decode = Schema.decodeUnknownEffect(Row)

  const get = Effect.fn("ProductRepository.get")((id: ProductId) =>
    SqlResolver.request(id, byId).pipe(
      Effect.flatMap(decode),
      Effect.map(product),
      Effect.catchTag("NoSuchElementError", () => new ProductNotFound({ productId: id })),
      Effect.catchTags({ SqlError: Effect.die, SchemaError: Effect.die })
    )
  )

  /** False when the product is no longer of the version that was read; nothing is written then. */
  const store = Effect.fnUntraced(function*({ sequence, version }: typeof Row.Type, { events, state }: Change<Product, ProductEvent>) {
    const changed = { ...(yield* Effect.orDie(encode(state))), sequence: sequence + events.length, version: version + 1 }
    const written = yield* sql`update product set ${sql.update(changed, ["id"])} where id = ${state.id} and version = ${version} returning id`
    if (written.length === 0) return false
    yield* outbox.append({ after: sequence, events })
    return true
  })

  const update = Effect.fn("ProductRepository.update")(<E>(id: ProductId, rule: Rule<E>) =>
    Effect.gen(function*() {
      while (true) {
        const row = yield* read(id).pipe(
          Effect.catchTags({
            NoSuchElementError: () => Effect.fail(new ProductNotFound({ productId: id })),
            SchemaError: Effect.die
          })
        )
        const current = product(row)
        const change = yield* Effect.fromResult(rule(current))
        if (change.state === current && change.events.length === 0) return current
        // what tells nothing is one statement, and needs no transaction of its own
        const stored = change.events.length === 0 ? store(row, change) : sql.withTransaction(store(row, change))
        if (yield* stored) return change.state
      }
    }).pipe(Effect.catchIf(SqlError.isSqlError, Effect.die))
  )

  return ProductRepository.of({
    insert,
    missing: Effect.fn("ProductRepository.missing")((ids: ReadonlyArray<ProductId>) =>
      sql<{ readonly id: ProductId }>`select id from unnest(${uuidArray(ids)}::uuid[]) as asked (id)
        where not exists (select from product p where p.id = asked.id)`.pipe(Effect.map((rows) => rows.map(({ id }) => id)), Effect.orDie)
    ),
    get,
    listActive: Effect.fn("ProductRepository.listActive")(({ before, limit }) =>
      active({ before: before ?? null, limit }).pipe(Effect.map((rows) => rows.map(product)), Effect.orDie)
    ),
    byVariants: Effect.fn("ProductRepository.byVariants")((variants: ReadonlyArray<VariantId>) =>
      ofVariants(variants).pipe(Effect.map((rows) => rows.map(product)), Effect.orDie)
    ),
    update
  })
}))

const Row = Schema.Struct({ ...Product.fields, sequence: Schema.Int, version: Schema.Int })
const product = ({ sequence: _, version: __, ...fields }: typeof Row.Type): Product => new Product(fields)

const Columns = Schema.Struct({
  ...Product.fields,
  name: Schema.fromJsonString(Product.fields.name),
  description: Schema.fromJsonString(Product.fields.description),
  variants: Schema.fromJsonString(Schema.Array(Variant))
})
const encode = Schema.encodeEffect(Columns)

const uuidArray = (ids: ReadonlyArray<string>): string => `{${ids.join(",")}}`
const variantIds = ({ variants }: Product): string => uuidArray(variants.map(({ id }) => id))
