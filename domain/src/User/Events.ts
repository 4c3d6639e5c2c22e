import { Schema } from "effect"
import { MemberId } from "./Ids.ts"

/** What the User context tells the others. Ids and states only: neither personal data nor free text. */
export const UserEvent = Schema.TaggedUnion({
  MemberCreated: { memberId: MemberId }
})
export type UserEvent = typeof UserEvent.Type
export const { MemberCreated } = UserEvent.cases
