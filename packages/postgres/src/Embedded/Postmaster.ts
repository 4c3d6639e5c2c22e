import { Deferred, Effect, Option, Schedule } from "effect"
import type { Scope } from "effect"
import { open, readFile, rename, rm, stat } from "node:fs/promises"
import { connect } from "node:net"
import { join } from "node:path"
import type { Binaries } from "./Binaries.ts"
import { EmbeddedPostgresError, type Ended, onDisk, startFailed } from "./EmbeddedPostgresError.ts"
import type { Folder } from "./Folder.ts"
import * as Process from "./Process.ts"

const pidFileOf = (folder: Folder) => join(folder.data, "postmaster.pid")

/** A setting of our own, so that the command line of a server tells which process started it. */
const ownerSetting = "marketplace.owner"

const linesOf = (path: string): Effect.Effect<ReadonlyArray<string>> =>
  Effect.promise(() => readFile(path, "utf8").then((text) => text.split("\n"), () => []))

/** Fast shutdown, then immediate (the next start recovers from the log), then by force. */
const signals = [["SIGINT", "10 seconds"], ["SIGQUIT", "5 seconds"], ["SIGKILL", "5 seconds"]] as const

const stop = (gone: Effect.Effect<void>, signal: (signal: NodeJS.Signals) => void): Effect.Effect<void> =>
  Effect.gen(function*() {
    for (const [name, patience] of signals) {
      yield* Effect.sync(() => signal(name))
      if (Option.isSome(yield* Effect.timeoutOption(gone, patience))) return
    }
  }).pipe(Process.announced("waiting for PostgreSQL to stop"))

/** On Windows a signal to a child ends it without notice, hence pg_ctl. */
const stopChild = (child: Process.Child, folder: Folder, binaries: Binaries): Effect.Effect<void> =>
  Effect.gen(function*() {
    if (Deferred.isDoneUnsafe(child.exited)) return
    if (process.platform === "win32") {
      const pgCtl = yield* Process.run(binaries.pgCtl, ["stop", "-D", folder.data, "-m", "fast", "-t", "10"], folder, "collect")
      yield* Deferred.await(pgCtl.exited)
    }
    yield* stop(Effect.asVoid(Deferred.await(child.exited)), child.signal)
  })

const inUse = (folder: Folder, by: string): EmbeddedPostgresError =>
  new EmbeddedPostgresError({
    reason: "InUse",
    message: `The data in ${folder.path} is in use by ${by}: stop that one first, or choose another data folder.`
  })

/**
 * Stops a server that a killed process left behind on this data. A server whose parent is still the process that started
 * it is in use and stays. PostgreSQL removes the pid file of a dead server itself, but not when the id belongs to another
 * process by now: then it is removed here.
 */
export const clearLeftOver = (folder: Folder): Effect.Effect<void, EmbeddedPostgresError> =>
  Effect.gen(function*() {
    const pid = Number((yield* linesOf(pidFileOf(folder)))[0] ?? "")
    if (!(pid > 0) || !Process.isAlive(pid)) return
    const found = yield* Process.inspect(pid)
    if (Option.isNone(found)) return
    if (!found.value.command.includes(folder.data)) {
      return yield* onDisk(`remove ${pidFileOf(folder)}`, () => rm(pidFileOf(folder), { force: true }))
    }
    const owner = Number(new RegExp(`${ownerSetting}=(\\d+)`).exec(found.value.command)?.[1])
    if (found.value.parent === owner && Process.isAlive(owner)) return yield* inUse(folder, `process ${owner}`)
    // A dead process keeps its id until its new parent takes note of it, but not its command line.
    const gone = Process.inspect(pid).pipe(
      Effect.map(Option.exists(({ command }) => command.includes(folder.data))),
      Effect.repeat({ schedule: Schedule.spaced("20 millis"), while: (alive) => alive })
    )
    yield* stop(Effect.asVoid(gone), (signal) => Process.isAlive(pid) && process.kill(pid, signal))
    yield* Effect.logInfo(`stopped a PostgreSQL server (process ${pid}) that a killed process had left on ${folder.data}`)
  })

/** Asks by connecting: on some systems a port can be bound beside a server that listens on every address. */
const isTaken = (port: number): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    const socket = connect({ port, host: "127.0.0.1", timeout: 1000 })
    const answer = (taken: boolean) => {
      socket.destroy()
      resume(Effect.succeed(taken))
    }
    socket.once("connect", () => answer(true)).once("timeout", () => answer(true)).once("error", () => answer(false))
  })

/** `port`, or the next one that nobody listens on. */
export const freePort = (port: number): Effect.Effect<number, EmbeddedPostgresError> =>
  Effect.gen(function*() {
    for (let candidate = port; candidate < Math.min(port + 100, 65536); candidate++) {
      if (!(yield* isTaken(candidate))) return candidate
    }
    return yield* new EmbeddedPostgresError({
      reason: "StartFailed",
      message: `All ports from ${port} to ${port + 99} are taken: stop what listens there, or name another port.`
    })
  })

const maxLog = 10_000_000

/** Runs the server with its output appended to the log. `endedWith` is how it ended, with what it wrote since it was started. */
const spawned = (folder: Folder, binaries: Binaries, args: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const log = join(folder.path, "server.log")
    const [file, start] = yield* onDisk(`write ${log}`, async () => {
      const size = await stat(log).then((found) => found.size, () => 0)
      if (size > maxLog) await rename(log, `${log}.1`)
      return [await open(log, "a", 0o600), size > maxLog ? 0 : size] as const
    })
    const child = yield* Process.run(binaries.postgres, args, folder, file.fd)
    yield* Effect.promise(() => file.close())
    const endedWith = Effect.gen(function*() {
      const how = yield* Deferred.await(child.exited)
      const written = yield* Effect.promise(() => readFile(log).catch(() => Buffer.alloc(0)))
      return { ...how, output: written.subarray(start).toString("utf8").slice(-4000) } satisfies Ended
    })
    return { child, endedWith }
  })

/** The server writes its state into its pid file; that is what `pg_ctl` waits for, too. */
const ready = (child: Process.Child, folder: Folder): Effect.Effect<void> =>
  linesOf(pidFileOf(folder)).pipe(
    Effect.map((lines) => Number(lines[0]) === child.pid && (lines[7] ?? "").startsWith("ready")),
    Effect.repeat({ schedule: Schedule.spaced("10 millis"), until: (isReady) => isReady }),
    Effect.asVoid,
    Process.announced("waiting for PostgreSQL to be ready (after a crash it first recovers its data)")
  )

/** Whether the start failed because another program took the port meanwhile. */
export const lostPort = (error: EmbeddedPostgresError): boolean => /could not create any TCP\/IP sockets/i.test(error.message)

/** Whether somebody else started a server on this data at the same moment. */
const lostData = (error: EmbeddedPostgresError): boolean => /lock file "postmaster\.pid" already exists/i.test(error.message)

/** The children of a server that was killed outright need a moment to notice; until then they hold the shared memory. */
const isOccupied = (error: EmbeddedPostgresError): boolean => /shared memory block.*in use/i.test(error.message)

/**
 * A server that accepts connections on the loopback interface. It is stopped with the scope: at once, running
 * transactions are rolled back.
 */
export const launch = (
  folder: Folder,
  binaries: Binaries,
  port: number,
  settings: Readonly<Record<string, string>>
): Effect.Effect<Process.Child, EmbeddedPostgresError, Scope.Scope> => {
  const all = { ...settings, port, [ownerSetting]: process.pid }
  const args = ["-D", folder.data, ...Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`])]
  return Effect.gen(function*() {
    const { child, endedWith } = yield* Effect.acquireRelease(
      spawned(folder, binaries, args),
      ({ child }) => stopChild(child, folder, binaries)
    )
    const ended = yield* Effect.raceFirst(endedWith, Effect.as(ready(child, folder), undefined))
    if (ended !== undefined) return yield* startFailed(process.platform, "Starting the embedded PostgreSQL", ended, folder.path)
    return child
  }).pipe(
    Effect.retry({ while: isOccupied, schedule: Schedule.spaced("100 millis"), times: 100 }),
    Effect.mapError((error) => lostData(error) ? inUse(folder, "another process") : error)
  )
}
