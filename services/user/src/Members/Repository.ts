import { Context, Effect, Layer, Option, Schema } from "effect"
import { SqlClient, type SqlError, SqlSchema } from "effect/sql"
import type { Change } from "@marketplace/domain/Change"
import type { UserEvent } from "@marketplace/domain/User/Events"
import { MemberId } from "@marketplace/domain/User/Ids"
import { Email, Member } from "@marketplace/domain/User/Member"
import { Outbox } from "@marketplace/events/Outbox"
import * as Write from "@marketplace/postgres/Write"

/** A member with what only the user service may see of it. */
export interface Kept {
  readonly member: Member
  /** PHC string. */
  readonly passwordHash: string
  /** Orders placed and paid. */
  readonly purchases: number
}

/** Where members are kept. */
export class MemberRepository extends Context.Service<MemberRepository, {
  /** A member that is there already stays as it is. */
  readonly insert: (change: Change<Member, UserEvent>, passwordHash: string) => Effect.Effect<void>
  readonly byEmail: (email: Email) => Effect.Effect<Option.Option<Kept>>
  readonly byId: (id: MemberId) => Effect.Effect<Option.Option<Kept>>
  /** In the caller's transaction. */
  readonly countPurchases: (ids: ReadonlyArray<MemberId>) => Effect.Effect<void, SqlError.SqlError>
}>()("@marketplace/user/MemberRepository") {
  static readonly layer = Layer.effect(MemberRepository, Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const outbox = yield* Outbox
    const columns = sql.literal("id, email, name, status, password_hash, purchases")
    const byEmail = SqlSchema.findOneOption({
      Request: Email,
      Result: Row,
      execute: (email) => sql`select ${columns} from member where email = ${email}`
    })
    const byId = SqlSchema.findOneOption({
      Request: MemberId,
      Result: Row,
      execute: (id) => sql`select ${columns} from member where id = ${id}`
    })

    return MemberRepository.of({
      insert: Effect.fn("MemberRepository.insert")(function*({ events, state }, passwordHash) {
        const told = yield* outbox.tell({ after: 0, events })
        const inserted = yield* sql`with made as (
            insert into member ${sql.insert({ ...state, passwordHash, sequence: events.length })} on conflict do nothing returning id)
            ${Write.parts(sql, "event", told, sql`exists (select from made)`)}
          select id from made`
        if (inserted.length > 0) yield* told.made
      }, Effect.orDie),
      byEmail: Effect.fn("MemberRepository.byEmail")((email) => byEmail(email).pipe(Effect.map(Option.map(kept)), Effect.orDie)),
      byId: Effect.fn("MemberRepository.byId")((id) => byId(id).pipe(Effect.map(Option.map(kept)), Effect.orDie)),
      countPurchases: Effect.fn("MemberRepository.countPurchases")((ids) =>
        Effect.asVoid(sql`update member m set purchases = m.purchases + n.purchases
          from (select id, count(*) as purchases from unnest(${ids}::text[]::uuid[]) as p (id) group by id) n
          where m.id = n.id`)
      )
    })
  }))
}

const Row = Schema.Struct({ ...Member.fields, passwordHash: Schema.String, purchases: Schema.Int })
const kept = ({ passwordHash, purchases, ...fields }: typeof Row.Type): Kept => ({ member: new Member(fields), passwordHash, purchases })
