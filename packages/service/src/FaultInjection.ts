import { Clock, Config, Context, type Duration, Effect, Layer, Option, Schema } from "effect"
import { type CrashPoint, CrashPoints, crashPoints } from "@marketplace/postgres/CrashPoints"
import { appendFileSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"

/** What a fault run writes into the folder, and what a process writes that did as it was told. */
export const files = {
  /** `Armed`. Removed by who dies of it. */
  armed: "crash-point.json",
  /** Milliseconds by which the clock is wrong. */
  clock: "clock-offset",
  /** A `Hit` a line. */
  hits: "hits.jsonl"
} as const

/** The process that passes the point for the n-th time kills itself. */
export const Armed = Schema.fromJsonString(Schema.Struct({ id: Schema.Int, point: Schema.Literals(crashPoints), pass: Schema.Int }))

/** A fault that did strike: the armed crash point with that id, or a clock that was seen with that offset. */
export const Hit = Schema.fromJsonString(Schema.Struct({
  pid: Schema.Int,
  what: Schema.Union([Schema.Struct({ crash: Schema.Int, point: Schema.String }), Schema.Struct({ clock: Schema.Int })])
}))

const read = (file: string): string => {
  try {
    return readFileSync(file, "utf8")
  } catch {
    return ""
  }
}

const dyingIn = (folder: string, tell: (what: typeof Hit.Type["what"]) => void) => {
  let passed = { id: -1, times: 0 }
  return (point: CrashPoint) =>
    Effect.sync(() => {
      const armed = Option.getOrUndefined(Schema.decodeOption(Armed)(read(join(folder, files.armed))))
      if (armed?.point !== point) return
      passed = { id: armed.id, times: passed.id === armed.id ? passed.times + 1 : 1 }
      if (passed.times < armed.pass) return
      tell({ crash: armed.id, point })
      rmSync(join(folder, files.armed), { force: true })
      process.kill(process.pid, "SIGKILL")
    })
}

/** A clock that is wrong by what the folder says now. Timers run as ever: they never followed the wall clock. */
const clockOf = (folder: string, clock: Clock.Clock, tell: (what: typeof Hit.Type["what"]) => void): Clock.Clock => {
  let [offset, lookAt] = [0, 0]
  const look = () => {
    const now = clock.currentTimeMillisUnsafe()
    if (now < lookAt) return offset
    lookAt = now + 100
    const found = Number(read(join(folder, files.clock)))
    if (found !== offset) tell({ clock: found })
    return offset = found
  }
  const millis = () => clock.currentTimeMillisUnsafe() + look()
  const nanos = () => clock.currentTimeNanosUnsafe() + BigInt(look()) * 1_000_000n
  return {
    currentTimeMillisUnsafe: millis,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanosUnsafe: nanos,
    currentTimeNanos: Effect.sync(nanos),
    monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
    monotonicTimeNanos: clock.monotonicTimeNanos,
    sleep: (duration: Duration.Duration) => clock.sleep(duration)
  }
}

/**
 * For fault runs alone: with `MARKETPLACE_FAULTS`, a folder, the process dies at the crash point that is named there and
 * believes the clock that is told there. Without it, which is everywhere else, nothing is looked at.
 */
export const layerConfig = Layer.unwrap(Effect.gen(function*() {
  const folder = yield* Config.option(Config.NonEmptyString("MARKETPLACE_FAULTS"))
  if (Option.isNone(folder)) return Layer.empty
  const tell = (what: typeof Hit.Type["what"]) =>
    appendFileSync(join(folder.value, files.hits), `${Schema.encodeSync(Hit)({ pid: process.pid, what })}\n`)
  yield* Effect.logWarning(`This process takes part in a fault run: it does what ${folder.value} says`)
  return Layer.succeedContext(Context.make(CrashPoints, dyingIn(folder.value, tell)).pipe(
    Context.add(Clock.Clock, clockOf(folder.value, yield* Clock.Clock, tell))
  ))
}))
