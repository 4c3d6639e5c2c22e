import { Deferred, Effect, Option } from "effect"
import { execFile, spawn } from "node:child_process"
import { readFile } from "node:fs/promises"
import { promisify } from "node:util"
import type { Ended } from "./EmbeddedPostgresError.ts"
import type { Folder } from "./Folder.ts"

const windows = process.platform === "win32"

/** What takes more than a second says what is going on. */
export const announced = (message: string) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.scoped(Effect.andThen(Effect.forkScoped(Effect.delay(Effect.logInfo(message), "1 second")), effect))

/** A child of this process; `exited` is completed exactly once, also when nothing could be started. */
export interface Child {
  readonly pid: number | undefined
  readonly exited: Deferred.Deferred<Ended>
  readonly signal: (signal: NodeJS.Signals) => void
}

/**
 * Starts one of the programs as the server's user, in a process group of its own: Ctrl-C in a terminal goes to the whole
 * group and would stop the database before this program has finished its work. Nothing of this program's environment is
 * handed on but what Windows cannot do without, so that no secret and no `PG…` variable reaches the server.
 *
 * @param output file descriptor that receives both outputs; `collect` keeps them for `Ended.output`
 */
export const run = (
  program: string,
  args: ReadonlyArray<string>,
  folder: Folder,
  output: number | "collect"
): Effect.Effect<Child> =>
  Effect.sync(() => {
    const exited = Deferred.makeUnsafe<Ended>()
    const stream = output === "collect" ? "pipe" : output
    const child = spawn(program, args, {
      cwd: folder.path,
      detached: true,
      windowsHide: true,
      stdio: ["ignore", stream, stream],
      ...(windows ? {} : { env: { LC_ALL: "C", PATH: "/usr/bin:/bin" } }),
      ...folder.user
    })
    let collected = ""
    for (const source of [child.stdout, child.stderr]) {
      source?.setEncoding("utf8").on("data", (text: string) => { collected = (collected + text).slice(-4000) })
    }
    const done = (ended: Ended) => Deferred.doneUnsafe(exited, Effect.succeed(ended))
    child.on("error", (error: NodeJS.ErrnoException) =>
      done({ code: null, signal: null, spawnError: error.code ?? error.message, output: collected }))
    // "close" waits for the outputs as well; without pipes it comes with the exit.
    child.on("close", (code, signal) => done({ code, signal, output: collected }))
    return { pid: child.pid, exited, signal: (signal) => child.kill(signal) }
  })

/** Whether a process has this id. One of another user counts. */
export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM"
  }
}

const execute = promisify(execFile)

/**
 * Parent and command line of a process of somebody else; none when it is gone. It tells a left-over server from an
 * unrelated process that was given the same id.
 */
export const inspect = (pid: number): Effect.Effect<Option.Option<{ readonly parent: number; readonly command: string }>> =>
  Effect.promise(async () => {
    if (process.platform === "linux") {
      const [stat, command] = await Promise.all([
        readFile(`/proc/${pid}/stat`, "utf8"),
        readFile(`/proc/${pid}/cmdline`, "utf8")
      ])
      // "pid (name) state parent …": the name may hold spaces and parentheses.
      return { parent: Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]), command: command.replaceAll("\0", " ") }
    }
    const { stdout } = windows
      ? await execute("powershell", [
        "-NoProfile",
        "-Command",
        `Get-CimInstance Win32_Process -Filter 'ProcessId=${pid}' | ForEach-Object { "$($_.ParentProcessId) $($_.CommandLine)" }`
      ])
      : await execute("ps", ["-o", "ppid=,command=", "-p", String(pid)])
    const found = /^\s*(\d+)\s+(.*)$/m.exec(stdout)
    return found === null ? undefined : { parent: Number(found[1]), command: found[2] ?? "" }
  }).pipe(Effect.map(Option.fromUndefinedOr), Effect.catchDefect(() => Effect.succeedNone))
