import { Schema } from "effect"
import type { Change } from "../Change.ts"
import * as Lifecycle from "../Lifecycle.ts"
import { MemberCreated, type UserEvent } from "./Events.ts"
import { MemberId } from "./Ids.ts"

export const MemberStatus = Lifecycle.make("member", {
  states: ["PENDING", "ACTIVE", "DISABLED", "ERASED"],
  initial: "PENDING",
  on: {
    verify: { PENDING: "ACTIVE" },
    disable: { ACTIVE: "DISABLED" },
    reinstate: { DISABLED: "ACTIVE" },
    erase: { PENDING: "ERASED", ACTIVE: "ERASED", DISABLED: "ERASED" }
  }
})

/** Lower-case and trimmed: one address is one member, however it is typed. */
export const Email = Schema.String.check(Schema.isPattern(/^[^\s@]+@[^\s@]+\.[^\s@]+$/), Schema.isMaxLength(254), Schema.isLowercased())
  .pipe(Schema.brand("Email")).annotate({ identifier: "Email", description: "E-mail address, lower case" })
export type Email = typeof Email.Type

/** A buyer. */
export class Member extends Schema.Class<Member>("Member")({
  id: MemberId,
  email: Email,
  name: Schema.NonEmptyString,
  status: MemberStatus.State
}) {}

/** A member whose address has been proven already, as a seed or a social provider does. */
export const createVerified = (member: Omit<typeof Member.Type, "status">): Change<Member, UserEvent> => ({
  state: new Member({ ...member, status: "ACTIVE" }),
  events: [MemberCreated.make({ memberId: member.id })]
})

/** Wrong password, unknown address and disabled member look the same from outside (no enumeration). */
export class LoginRefused extends Schema.TaggedError<LoginRefused>()("LoginRefused", {}) {}
