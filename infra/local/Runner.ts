import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { closeSync, existsSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { mkdir, rename, rm } from "node:fs/promises"
import { basename, join } from "node:path"
import * as Process from "./Process.ts"
import type { Place, Recipe } from "./Recipes.ts"

/** How one server is run, started and hit. The server need not have been started by this process. */
export interface Runner {
  /** What the line that tells the way says. */
  readonly way: string
  readonly pid: () => number | undefined
  /** Fetches what it runs from, if that is not here. */
  readonly fetch: (say: (line: string) => void) => Promise<void>
  readonly isRunning: () => Promise<boolean>
  /** Whether what runs is what `launch` would start now. */
  readonly isCurrent: () => Promise<boolean>
  readonly launch: () => Promise<void>
  readonly signal: (name: "SIGTERM" | "SIGKILL" | "SIGSTOP" | "SIGCONT") => Promise<void>
  readonly log: () => Promise<string>
  /** Removes what it keeps outside the server's folder. */
  readonly remove: () => Promise<void>
}

type Make = (recipe: Recipe, folder: string, ports: Place["ports"]) => Runner

const digest = (value: unknown) => createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 12)

/** Reads a file of ours; one that is missing or was cut short by a crash counts as none. */
export const readState = <A>(file: string): A | undefined => {
  try {
    return JSON.parse(readFileSync(file, "utf8"))
  } catch {
    return undefined
  }
}

/** Writes a file so that a crash leaves the old one or the new one. */
export const writeState = (file: string, state: unknown): void => {
  writeFileSync(`${file}.new`, JSON.stringify(state))
  renameSync(`${file}.new`, file)
}

/** Programs are shared by all directories of this checkout: each is fetched once. */
const cache = join(import.meta.dirname, "..", "..", ".data", "cache")

/** A process of this machine, in a session of its own: the terminal's Ctrl-C does not reach it. */
export const asProcess: Make = (recipe, folder, ports) => {
  const { command, fetch, prepare } = recipe.process
  const program = fetch ? join(cache, `${basename(folder)}-${fetch.version}`) : ""
  const place = { program, folder, ports }
  const [stateFile, logFile] = [join(folder, "process.json"), join(folder, "log")]
  const state = () => readState<Process.Identity & { readonly command: string }>(stateFile)
  const running = () => {
    const known = state()
    return known && Process.isRunning(known) ? known : undefined
  }
  return {
    way: `a process of this machine (log: ${logFile})`,
    pid: () => running()?.pid,
    fetch: async (say) => {
      if (!fetch || existsSync(program)) return
      say(`${recipe.title}: fetching ${fetch.size} from Maven Central (once) …`)
      const unfinished = `${program}.${process.pid}`
      await mkdir(unfinished, { recursive: true })
      try {
        await fetch.into(unfinished)
        await rename(unfinished, program).catch((error) => {
          if (!existsSync(program)) throw error // else another process was quicker
        })
      } finally {
        await rm(unfinished, { recursive: true, force: true })
      }
    },
    isRunning: async () => running() !== undefined,
    isCurrent: async () => running()?.command === digest(command(place)),
    launch: async () => {
      await prepare?.(place)
      if (existsSync(logFile)) renameSync(logFile, `${logFile}.before`)
      const log = openSync(logFile, "a")
      const { args, env, file } = command(place)
      const child = spawn(file, args, {
        cwd: folder,
        env: { ...process.env, ...env },
        stdio: ["ignore", log, log],
        detached: true
      })
      closeSync(log)
      child.once("error", () => {}) // also told by the missing pid
      child.unref()
      const identity = child.pid === undefined ? undefined : Process.identify(child.pid)
      if (!identity) throw new Error(`${file} does not run`)
      writeState(stateFile, { ...identity, command: digest(command(place)) })
    },
    signal: async (name) => {
      const known = state()
      if (known) Process.signal(known, name)
    },
    log: async () => readFileSync(logFile, "utf8"),
    remove: async () => {}
  }
}

/** A container that keeps its data until it is removed. Its port is open to this machine only. */
export const asContainer: Make = (recipe, folder, [port]) => {
  const { args = [], env, image, port: inside = port } = recipe.container
  const container = `marketplace-${basename(folder)}-${digest(folder)}`
  const variables = Object.entries(env?.(port) ?? {}).flatMap(([key, value]) => ["-e", `${key}=${value}`])
  const create = ["-p", `127.0.0.1:${port}:${inside}`, ...variables, image, ...args]
  const docker = (...args: ReadonlyArray<string>) => Process.run("docker", args)
  const state = () =>
    docker("container", "inspect", "-f", "{{.State.Running}} {{index .Config.Labels \"marketplace\"}}", container)
      .then((text) => text.trim().split(" "), () => [])
  const isCurrent = async () => (await state())[1] === digest(create)
  const remove = async () => void await docker("rm", "--force", "--volumes", container).catch(() => {}) // there may be none
  return {
    way: `container ${container} of ${image}`,
    pid: () => undefined,
    fetch: async (say) => {
      if (await docker("image", "inspect", image).then(() => true, () => false)) return
      say(`${recipe.title}: fetching the image ${image} (once) …`)
      await docker("pull", "--quiet", image)
    },
    isRunning: async () => (await state())[0] === "true",
    isCurrent,
    launch: async () => {
      if (await isCurrent()) return void await docker("start", container)
      await remove()
      await docker("run", "--detach", "--name", container, "--label", `marketplace=${digest(create)}`, ...create)
    },
    signal: async (name) => void await docker("kill", "--signal", name, container).catch(() => {}), // it may be down
    log: () => docker("logs", "--tail", "100", container),
    remove
  }
}
