import { assert, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import * as Script from "@marketplace/postgres/Script"
import * as Embedded from "../src/Embedded.ts"
import { invariants } from "../src/Verify/Invariants.ts"
import * as World from "./purchase/World.ts"
import { events } from "./verify/Events.ts"
import { broken, consistent } from "./verify/Fixture.ts"
import { money } from "./verify/Money.ts"
import { orders } from "./verify/Orders.ts"
import { readModels } from "./verify/ReadModels.ts"
import { requests } from "./verify/Requests.ts"
import { stock } from "./verify/Stock.ts"

const plants = [...money, ...stock, ...orders, ...requests, ...events, ...readModels]

class RolledBack extends Schema.TaggedError<RolledBack>()("RolledBack", { found: Schema.Unknown }) {}

layer(World.layer(Embedded.services), { excludeTestServices: true, timeout: "60 seconds" })("verify", (it) => {
  it.effect("x", () => Effect.gen(function*() {
    const fixture = yield* consistent
    const { sql } = yield* World.World
    for (const plant of plants) {
      const found = yield* Effect.gen(function*() {
        yield* sql`set local session_replication_role = replica`
        yield* Script.run(sql, plant.script(fixture))
        const found = yield* broken()
        return yield* new RolledBack({ found })
      }).pipe(sql.withTransaction, Effect.provideService(SqlClient.SqlClient, sql), Effect.flip)
      if (!(found instanceof RolledBack)) { console.log(plant.breaks, plant.how, found); continue }
      const names = (found.found as any).map((f: any) => f.name).sort()
      const want = [plant.breaks, ...(plant.also ?? [])].sort()
      if (JSON.stringify(names) !== JSON.stringify(want)) console.log(plant.breaks, "|", plant.how, JSON.stringify(found.found, null, 1))
    }
    console.log(invariants.length, invariants.map(i => i.name).filter((n) => !plants.some((p) => p.breaks === n)))
    assert.isTrue(true)
  }))
})
