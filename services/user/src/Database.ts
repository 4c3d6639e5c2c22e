import * as Outbox from "@marketplace/events/Outbox"
import type { DatabaseSchema } from "@marketplace/postgres/Schemas"
import { members } from "./migrations/0001_members.ts"

/** What the user service keeps in PostgreSQL. */
export const userSchema: DatabaseSchema = {
  name: "user_service",
  migrations: [Outbox.migration, members, Outbox.publishedIndex]
}
