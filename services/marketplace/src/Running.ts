import { Effect, FileSystem, Option, Path, Schema } from "effect"

/** Where the marketplace that runs on this machine can be reached; written by start, read by demo. */
export const Running = Schema.Struct({
  profile: Schema.Literals(["embedded", "full"]),
  gatewayUrl: Schema.String,
  simulatorUrl: Schema.String,
  /** `GET {tracesUrl}/{traceId}` gives the spans of a trace. */
  tracesUrl: Schema.String,
  pid: Schema.Int
})
export type Running = typeof Running.Type

/**
 * Where a profile keeps its embedded PostgreSQL below the data folder. Each has its own: the full profile has its catalogue in
 * MongoDB, so the one's stock would not fit the other's products.
 */
export const postgresFolder = { embedded: "postgres", full: "full/postgres" } as const satisfies Record<Running["profile"], string>

const text = Schema.fromJsonString(Running)

const file = Effect.fnUntraced(function*(directory: string) {
  const path = yield* Path.Path
  return path.join(directory, "running.json")
})

/** Tells where we run, until the scope is closed. */
export const announce = Effect.fn("Running.announce")(function*(directory: string, running: Running) {
  const files = yield* FileSystem.FileSystem
  const at = yield* file(directory)
  yield* Effect.acquireRelease(
    Effect.flatMap(Schema.encodeEffect(text)(running), (json) => files.writeFileString(at, json)),
    () => Effect.ignore(files.remove(at))
  )
})

/** None when nothing runs; what a killed process left behind does not count. */
export const find = Effect.fn("Running.find")(function*(directory: string) {
  const files = yield* FileSystem.FileSystem
  const found = yield* file(directory).pipe(
    Effect.flatMap(files.readFileString),
    Effect.flatMap(Schema.decodeEffect(text)),
    Effect.option
  )
  return Option.filter(found, ({ pid }) => lives(pid))
})

const lives = (pid: number) => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
