import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { check } from "../Verify/Check.ts"
import * as Installation from "../Verify/Installation.ts"
import { invariants } from "../Verify/Invariants.ts"
import * as Stores from "../Verify/Stores.ts"
import * as Http from "./Http.ts"
import type { Marketplace } from "./Marketplace.ts"
import * as Owner from "./Owner.ts"

/**
 * Every invariant of `verify` that does not hold, with nothing excused for being young: nobody is under way any more, so what
 * must come to its end has to have come to it now.
 */
export const violatedNow = ({ directory }: Marketplace): Promise<ReadonlyArray<string>> =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const installation = yield* Installation.find(directory)
    yield* sql`set transaction isolation level repeatable read, read only`
    const sources = { log: yield* Stores.log(installation), catalogue: yield* Stores.catalogue(installation) }
    const { findings, unchecked } = yield* check(invariants, { since: "-infinity", settled: "infinity" }, sources)
    return [
      ...findings.flatMap(({ invariant, rows, violations }) =>
        violations === 0 ? [] : [`${invariant.name}: ${violations} violations: ${JSON.stringify(rows.slice(0, 3))}`]),
      ...unchecked.map(({ invariant, missing }) => `${invariant.name} cannot be checked: ${missing}`)
    ]
  }).pipe(
    (effect) => SqlClient.SqlClient.use((sql) => sql.withTransaction(effect)),
    Effect.catchCause((cause) => Effect.succeed([`the invariants cannot be read: ${String(cause).slice(0, 500)}`])),
    Effect.provide(Owner.layer(directory)),
    Effect.provide([NodeServices.layer, NodeCrypto.layerSecureRandom]),
    Effect.scoped,
    Effect.runPromise
  )

/** What `verify` says, as a person would ask it. */
export const verify = ({ directory, servers }: Marketplace): Promise<ReadonlyArray<string>> =>
  new Promise((resolve) => {
    const program = fileURLToPath(new URL("../verify.ts", import.meta.url))
    const env = { ...process.env, ...servers.environment, MARKETPLACE_DATA: directory }
    execFile(process.execPath, [program, "--json"], { env, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      if (error === null) return resolve([])
      const found = stdout.startsWith("{") ? Http.listAt(JSON.parse(stdout), "findings") : []
      const violated = found.filter((one) => Number(Http.field(one, "violations")) > 0).map((one) => `verify: ${JSON.stringify(one)}`)
      resolve(violated.length > 0 ? violated : [`verify ended with ${error.code}: ${stderr.trim().slice(-500)}`])
    })
  })
