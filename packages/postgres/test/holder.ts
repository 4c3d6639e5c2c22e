// A process that holds an embedded server until it is stopped (SIGTERM) or killed without a chance to clean up (SIGKILL).
import { Effect } from "effect"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Embedded from "../src/Embedded.ts"

const [directory = "", port = ""] = process.argv.slice(2)

NodeRuntime.runMain(Effect.scoped(Effect.gen(function*() {
  const server = yield* Embedded.start({ directory, port: Number(port), settings: { fsync: "off" } })
  yield* Effect.sync(() => process.stdout.write(`${server.pid}\n`))
  return yield* Effect.never
})))
