import { Schema } from "effect"

/** UUIDv7: sorts by time of creation, is stored as PostgreSQL `uuid`. Each aggregate brands its own, so that ids cannot be mixed up. */
export const Uuid = Schema.String.check(Schema.isUUID(7))
