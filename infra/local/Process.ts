import { execFile } from "node:child_process"
import { randomInt } from "node:crypto"
import { readFileSync } from "node:fs"
import { createConnection, createServer } from "node:net"
import { setTimeout } from "node:timers/promises"
import { promisify, stripVTControlCharacters } from "node:util"

/** A process, told from a later one that was given the same pid by `started`: its start in clock ticks since boot. */
export interface Identity {
  readonly pid: number
  readonly started: string
}

const inspect = (pid: number) => {
  try {
    // "pid (command) state ppid …": the command may hold spaces and brackets. Numbers of the fields: proc_pid_stat(5).
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /s, "").split(" ")
    return { state: fields[0], threads: Number(fields[17]), started: fields[19] ?? "" }
  } catch {
    return undefined
  }
}

/** Who has this pid now. Linux only: the truth is `/proc`. */
export const identify = (pid: number): Identity | undefined => {
  const found = inspect(pid)
  return found && { pid, started: found.started }
}

/** A zombie is gone: some init processes reap late. One whose threads still run is not: it may hold ports and locks. */
export const isRunning = ({ pid, started }: Identity): boolean => {
  const found = inspect(pid)
  return found !== undefined && found.started === started && (found.state !== "Z" || found.threads > 1)
}

/** Sends a signal; a process that is gone is no error. */
export const signal = (identity: Identity, name: NodeJS.Signals): void => {
  if (!isRunning(identity)) return
  try {
    process.kill(identity.pid, name)
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error
  }
}

/** Resident memory in MiB. */
export const memory = (pid: number): number => {
  try {
    return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024)
  } catch {
    return 0
  }
}

/** Runs a command to its end and gives what it printed. Fails with one line: the command's own first complaint. */
export const run = async (file: string, args: ReadonlyArray<string>, options: { readonly timeout?: number } = {}) => {
  try {
    return (await promisify(execFile)(file, args, { maxBuffer: 2 ** 24, ...options })).stdout
  } catch (error) {
    const printed = error instanceof Error && "stdout" in error && "stderr" in error ? `${error.stderr}\n${error.stdout}` : ""
    // Maven colours its lines; it says first what went wrong, and then how to read more about it.
    const lines = stripVTControlCharacters(printed).split("\n").map((line) => line.trim()).filter((line) => line !== "")
    throw new Error(`${file} failed: ${lines.find((line) => /error|exception/i.test(line)) ?? lines[0] ?? String(error)}`)
  }
}

/** Asks until the answer is yes; `false` when `limit` milliseconds have passed. */
export const until = async (limit: number, check: () => boolean | Promise<boolean>): Promise<boolean> => {
  for (const end = performance.now() + limit; performance.now() < end; await setTimeout(25)) {
    if (await check()) return true
  }
  return false
}

/** The first bytes that a server on this machine answers to `question` (hexadecimal); empty when it does not answer. */
export const ask = (port: number, question: string): Promise<Buffer> =>
  new Promise((resolve) => {
    const socket = createConnection({ host: "127.0.0.1", port, timeout: 1000 })
    const end = (reply: Buffer) => {
      socket.destroy()
      resolve(reply)
    }
    socket.once("connect", () => socket.write(Buffer.from(question, "hex"))).once("data", end)
    for (const event of ["timeout", "error", "close"]) socket.once(event, () => end(Buffer.alloc(0)))
  })

/** Whether nobody listens on the port. */
export const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer().once("error", () => resolve(false))
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)))
  })

/** By this process, so that two servers that are started side by side are not given the same one. */
const givenOut = new Set<number>()

/**
 * A port below those which systems give to outgoing connections (32768 and up): while a server is down, a client that
 * keeps trying could otherwise be given the server's own port, connect to itself and keep the server from coming back.
 */
export const freePort = async (): Promise<number> => {
  const port = randomInt(20_000, 30_000)
  if (givenOut.has(port)) return freePort()
  givenOut.add(port)
  return await isFree(port) ? port : freePort()
}
