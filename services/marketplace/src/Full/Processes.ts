import { Clock, Effect, Fiber, Ref, Schema } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createWriteStream } from "node:fs"
import { fileURLToPath } from "node:url"
import type { Environment, ProcessName } from "./Environment.ts"

/** A process did not become ready in time, or cannot be kept alive. */
export class ProcessFailed extends Schema.TaggedError<ProcessFailed>()("ProcessFailed", { name: Schema.String, detail: Schema.String }) {
  override get message() {
    return this.detail
  }
}

export interface Started {
  readonly name: ProcessName
  /** Undefined between its death and its restart. */
  readonly pid: Effect.Effect<number | undefined>
}

export interface Options {
  readonly name: ProcessName
  readonly environment: Environment
  readonly logFile: string
  /** A file of the service, run from source unless a bundle is given. */
  readonly entry?: string
}

const entryOf = (name: ProcessName) => fileURLToPath(new URL(`../../../${name}/src/main.ts`, import.meta.url))

/** How long a process that died right after its start waits for the next one. */
const pause = (lived: number) => lived > 10_000 ? 100 : 1_000

/** Starts a service as a process of its own and starts it again whenever it dies, until the scope is closed. */
export const start = Effect.fn("Processes.start")(function*({ entry, environment, logFile, name }: Options) {
  const current = yield* Ref.make<ChildProcess | undefined>(undefined)
  const run = Effect.gen(function*() {
    const begun = yield* Clock.currentTimeMillis
    const child = yield* Effect.sync(() => {
      const child = spawn(process.execPath, [entry ?? entryOf(name)], {
        env: environment,
        stdio: ["ignore", "pipe", "pipe"]
      })
      const log = createWriteStream(logFile, { flags: "a" })
      child.stdout?.pipe(log, { end: false })
      child.stderr?.pipe(log, { end: false })
      return child
    })
    yield* Ref.set(current, child)
    yield* Effect.promise(async () => {
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit")
    })
    yield* Ref.set(current, undefined)
    yield* Effect.logWarning(`${name} ended (${child.exitCode ?? child.signalCode}) and is started again; its log is ${logFile}`)
    const ended = yield* Clock.currentTimeMillis
    yield* Effect.sleep(pause(ended - begun))
  })
  const supervisor = yield* Effect.forkScoped(Effect.forever(run))
  yield* Effect.addFinalizer(() =>
    Effect.gen(function*() {
      yield* Fiber.interrupt(supervisor)
      const child = yield* Ref.get(current)
      if (child !== undefined) yield* stop(child)
    })
  )
  return { name, pid: Effect.map(Ref.get(current), (child) => child?.pid) } satisfies Started
})

/** Asks it to stop, and after ten seconds does not ask any more. */
const stop = (child: ChildProcess) =>
  Effect.promise(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, "exit")
    child.kill("SIGTERM")
    const timer = setTimeout(() => child.kill("SIGKILL"), 10_000)
    await ended
    clearTimeout(timer)
  })

/** Returns when the process says that it is ready. */
export const untilReady = Effect.fn("Processes.untilReady")(function*(name: ProcessName, url: string, logFile: string) {
  const end = (yield* Clock.currentTimeMillis) + 60_000
  while (true) {
    const ready = yield* Effect.promise(() => fetch(`${url}/health/ready`).then(({ ok }) => ok, () => false))
    if (ready) return
    if ((yield* Clock.currentTimeMillis) > end) {
      return yield* new ProcessFailed({ name, detail: `${name} is not ready after a minute; its log is ${logFile}` })
    }
    yield* Effect.sleep("100 millis")
  }
})

