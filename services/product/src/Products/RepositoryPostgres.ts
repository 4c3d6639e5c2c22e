import { Effect, Layer, Option, Schema } from "effect"
import { SqlClient, SqlResolver, SqlSchema } from "effect/sql"
import type { Change } from "@marketplace/domain/Change"
import type { ProductEvent } from "@marketplace/domain/Product/Events"
import { ProductId, type VariantId } from "@marketplace/domain/Product/Ids"
import { Product, ProductNotFound } from "@marketplace/domain/Product/Product"
import { Outbox } from "@marketplace/events/Outbox"
import { among } from "@marketplace/postgres/Among"
import * as Write from "@marketplace/postgres/Write"
import { ProductRepository, type Rule } from "./Repository.ts"

/** The catalogue in product's own schema, events in its outbox. */
export const layer = Layer.effect(ProductRepository, Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const outbox = yield* Outbox
  const columns = sql.literal("id, enterprise_id, seller, name, description, status, variants, sequence, version")

  /** Rows `n` of products; `version` is for those that are there already. */
  const recordset = Effect.fnUntraced(function*(
    products: ReadonlyArray<{ readonly state: Product; readonly sequence: number; readonly version?: number }>
  ) {
    const rows = yield* Effect.forEach(products, ({ state, ...counters }) =>
      Effect.map(Effect.orDie(encode(state)), (fields) =>
        ({ ...fields, variantIds: state.variants.map(({ id }) => id), ...counters })
      ))
    return sql`jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as n (id uuid, "enterpriseId" uuid, seller text, name jsonb,
      description jsonb, status text, variants jsonb, "variantIds" uuid[], sequence int, version int)`
  })

  const insert = Effect.fn("ProductRepository.insert")(function*({ events, state }: Change<Product, ProductEvent>) {
    const told = yield* outbox.tell({ after: 0, events })
    const inserted = yield* sql`with made as (
        insert into product (id, enterprise_id, seller, name, description, status, variants, variant_ids, sequence)
        select id, "enterpriseId", seller, name, description, status, variants, "variantIds", sequence
        from ${yield* recordset([{ state, sequence: events.length }])}
        on conflict (id) do nothing returning id)
        ${Write.parts(sql, "event", told, sql`exists (select from made)`)}
      select id from made`
    if (inserted.length > 0) yield* told.made
  }, Effect.orDie)

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
    execute: (ids) => sql`select ${columns} from product where variant_ids && ${ids}::text[]::uuid[]`
  })

  const select = (ids: ReadonlyArray<string>) =>
    sql<{ readonly id: ProductId }>`select ${columns} from product where ${among(sql, "id", ids)}`
  const byId = SqlResolver.findById({
    Id: ProductId,
    // Each caller decodes his own row: one that cannot be read fails nobody else.
    Result: Schema.Unknown,
    ResultId: (_, row: { readonly id: ProductId }) => row.id,
    execute: select
  })
  const byIds = SqlSchema.findAll({ Request: Schema.Array(Schema.String), Result: Row, execute: select })
  const decode = Schema.decodeUnknownEffect(Row)

  const get = Effect.fn("ProductRepository.get")((id: ProductId) =>
    SqlResolver.request(id, byId).pipe(
      Effect.flatMap(decode),
      Effect.map(product),
      Effect.catchTag("NoSuchElementError", () => new ProductNotFound({ productId: id })),
      Effect.catchTags({ SqlError: Effect.die, SchemaError: Effect.die })
    )
  )

  /** Gives the ids of those that are no longer of the version that was read, of which nothing is written. */
  const store = Effect.fnUntraced(function*(decided: ReadonlyArray<Decided>) {
    if (decided.length === 0) return new Set<ProductId>()
    const next = yield* recordset(decided.map(({ change: { events, state }, row: { sequence, version } }) =>
      ({ state, sequence: sequence + events.length, version })
    ))
    const told = yield* outbox.tell(...decided.map(({ change: { events }, row: { sequence } }) => ({ after: sequence, events })))
    const written = yield* sql<{ readonly id: ProductId }>`with changed as (
      update product p set enterprise_id = n."enterpriseId", seller = n.seller, name = n.name, description = n.description,
        status = n.status, variants = n.variants, variant_ids = n."variantIds", sequence = n.sequence, version = p.version + 1
      from ${next}
      where p.id = n.id and p.version = n.version and ${among(sql, "p.id", decided.map(({ row: { id } }) => id))} returning p.id)
      ${Write.parts(sql, "event", told, sql`stream_key in (select id::text from changed)`)}
      select id from changed`
    if (written.length > 0) yield* told.made
    const ids = new Set(written.map(({ id }) => id))
    return new Set(decided.map(({ row: { id } }) => id).filter((id) => !ids.has(id)))
  })

  const decideAll = Effect.fnUntraced(function*<E>(changes: ReadonlyArray<{ readonly id: ProductId; readonly rule: Rule<E> }>) {
    const states = new Map<ProductId, Product>()
    let open = changes
    while (open.length > 0) {
      const rows = new Map((yield* Effect.orDie(byIds(open.map(({ id }) => id)))).map((row) => [row.id, row]))
      const decided: Array<Decided> = []
      for (const { id, rule } of open) {
        const row = rows.get(id)
        if (row === undefined) return yield* new ProductNotFound({ productId: id })
        const current = product(row)
        const change = yield* Effect.fromResult(rule(current))
        states.set(id, change.state)
        if (change.state !== current || change.events.length > 0) decided.push({ row, change })
      }
      const outrun = yield* Effect.orDie(store(decided))
      open = open.filter(({ id }) => outrun.has(id))
    }
    return states
  })

  return ProductRepository.of({
    insert,
    missing: Effect.fn("ProductRepository.missing")((ids: ReadonlyArray<ProductId>) =>
      sql<{ readonly id: ProductId }>`select id from unnest(${ids}::text[]::uuid[]) as asked (id)
        where not exists (select from product p where p.id = asked.id)`.pipe(Effect.map((rows) => rows.map(({ id }) => id)), Effect.orDie)
    ),
    get,
    listActive: Effect.fn("ProductRepository.listActive")(({ before, limit }) =>
      active({ before: before ?? null, limit }).pipe(Effect.map((rows) => rows.map(product)), Effect.orDie)
    ),
    byVariants: Effect.fn("ProductRepository.byVariants")((variants: ReadonlyArray<VariantId>) =>
      ofVariants(variants).pipe(Effect.map((rows) => rows.map(product)), Effect.orDie)
    ),
    update: Effect.fn("ProductRepository.update")((id, rule) =>
      Effect.map(decideAll([{ id, rule }]), (states) => Option.getOrThrow(Option.fromUndefinedOr(states.get(id))))
    ),
    updateAll: Effect.fn("ProductRepository.updateAll")((changes) => Effect.asVoid(decideAll(changes)))
  })
}))

/** What a rule made of a row. */
interface Decided {
  readonly row: typeof Row.Type
  readonly change: Change<Product, ProductEvent>
}

const Row = Schema.Struct({ ...Product.fields, sequence: Schema.Int, version: Schema.Int })
const product = ({ sequence: _, version: __, ...fields }: typeof Row.Type): Product => new Product(fields)

const encode = Schema.encodeEffect(Product)

