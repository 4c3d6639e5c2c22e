import type { DatabaseSchema } from "@marketplace/postgres/Schemas"
import { journal } from "./migrations/0001_journal.ts"

/** What the simulator keeps in PostgreSQL: the money it moved, and the faults still to come. */
export const simulatorSchema: DatabaseSchema = {
  name: "simulator",
  migrations: [journal],
  // What happened stays as it was written.
  grants: ["revoke update, delete on simulator.entry from simulator"]
}
