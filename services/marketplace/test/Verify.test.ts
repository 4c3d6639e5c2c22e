import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import * as Embedded from "../src/Embedded.ts"
import { check } from "../src/Verify/Check.ts"
import { invariants } from "../src/Verify/Invariants.ts"
import { postgres, type Sources } from "../src/Verify/Sources.ts"
import { consistent } from "./verify/Fixture.ts"
import * as World from "./purchase/World.ts"

layer(World.layer(Embedded.services), { excludeTestServices: true, timeout: "60 seconds" })("verify", (it) => {
  it.effect("x", () => Effect.gen(function*() {
    const f = yield* consistent
    console.log(f)
  }))
})
