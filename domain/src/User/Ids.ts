import { Schema } from "effect"
import { Uuid } from "../Id.ts"

export const MemberId = Uuid.pipe(Schema.brand("MemberId")).annotate({ identifier: "MemberId" })
export type MemberId = typeof MemberId.Type

export const EnterpriseId = Uuid.pipe(Schema.brand("EnterpriseId")).annotate({ identifier: "EnterpriseId" })
export type EnterpriseId = typeof EnterpriseId.Type

export const SessionId = Uuid.pipe(Schema.brand("SessionId")).annotate({ identifier: "SessionId" })
export type SessionId = typeof SessionId.Type
