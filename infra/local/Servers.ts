import { mkdir, rm } from "node:fs/promises"
import { join } from "node:path"
import * as Process from "./Process.ts"
import { type Name, type Place, type Recipe, recipes } from "./Recipes.ts"
import { asContainer, asProcess, readState, type Runner, writeState } from "./Runner.ts"
import { decide, type Way } from "./Way.ts"

export type { Name }

/** All servers of the full profile. */
export const names: ReadonlyArray<Name> = ["kafka", "registry", "mongo", "redis"]

/** One server. What is done to it is done to the server itself, whoever started it. */
export interface Server {
  readonly name: Name
  readonly url: string
  /** Undefined while it is down, and for one in a container or given by URL. */
  readonly pid: () => number | undefined
  /** Asks it to stop and waits; after 5 seconds kills it. A server given by URL goes on. */
  readonly stop: () => Promise<void>
  /** SIGKILL, and waits until it is gone. */
  readonly kill9: () => Promise<void>
  /** Stops it if it runs, starts it on the same port with the same data, and waits until it serves. */
  readonly restart: () => Promise<void>
  /** Freezes it: connections stay open and nothing is answered. */
  readonly sigstop: () => Promise<void>
  readonly sigcont: () => Promise<void>
}

/** What a start gives. */
export interface Servers<N extends Name = Name> {
  /** What the services read, by the name of the environment variable. */
  readonly env: { readonly [K in N as (typeof recipes)[K]["variable"]]: string }
  readonly servers: { readonly [K in N]: Server }
  readonly stop: () => Promise<void>
}

/** Where the servers live and how their start is told. */
export interface Options {
  /** Ports, data and logs, in a folder for each server. The same directory gives the same servers again. */
  readonly directory: string
  readonly say: (line: string) => void
  /** Let them outlive this process. Without it only one that is itself killed outright leaves servers behind. */
  readonly detach?: boolean
}

/** What a server's folder remembers between runs. */
interface Remembered {
  readonly way: Way
  readonly ports: Place["ports"]
}

const remembered = (folder: string) => readState<Remembered>(join(folder, "server.json"))

const runnerOf = (recipe: Recipe, folder: string, { ports, way }: Remembered) =>
  way === "container" ? asContainer(recipe, folder, ports) : asProcess(recipe, folder, ports)

const gone = (runner: Runner, limit: number) => Process.until(limit, async () => !(await runner.isRunning()))

const kill9 = async (runner: Runner) => {
  if (!(await runner.isRunning())) return
  await runner.signal("SIGKILL")
  if (!(await gone(runner, 10_000))) throw new Error(`SIGKILL did not end ${runner.way}`)
}

const stop = async (runner: Runner) => {
  if (!(await runner.isRunning())) return
  await runner.signal("SIGTERM")
  await runner.signal("SIGCONT") // a frozen one would not hear it
  if (!(await gone(runner, 5000))) await kill9(runner)
}

const launch = async (recipe: Recipe, runner: Runner, port: number) => {
  await runner.launch()
  let serves = false
  const decided = await Process.until(60_000, async () => {
    serves = await recipe.ready(port)
    return serves || !(await runner.isRunning())
  })
  if (serves) return recipe.settle?.(port)
  const lines = (await runner.log().catch(() => "")).trim().split("\n")
  const last = lines.findLast((line) => /error|exception|fatal/i.test(line)) ?? lines.at(-1)
  await kill9(runner)
  throw new Error(`${recipe.title} ${decided ? "ended while starting" : "did not serve within 60 s"}: ${last} (${runner.way})`)
}

const handle = (name: Name, runner: Runner, port: number): Server => ({
  name,
  url: recipes[name].url(port),
  pid: runner.pid,
  stop: () => stop(runner),
  kill9: () => kill9(runner),
  restart: async () => {
    await stop(runner)
    await launch(recipes[name], runner, port)
  },
  sigstop: () => runner.signal("SIGSTOP"),
  sigcont: () => runner.signal("SIGCONT")
})

const given = (name: Name, url: string): Server => {
  const { title, variable } = recipes[name]
  const refuse = () => Promise.reject(new Error(`${title} is given by ${variable}: only its owner can do that`))
  const rest = { kill9: refuse, restart: refuse, sigstop: refuse, sigcont: refuse }
  return { name, url, pid: () => undefined, stop: () => Promise.resolve(), ...rest }
}

/** The servers that end with this process. */
const owned = new Set<Runner>()
process.once("exit", () => {
  // A process is hit at once; a container by a command that outlives us.
  for (const runner of owned) void runner.signal("SIGKILL")
})

const freePorts = async () => [await Process.freePort(), await Process.freePort()] as const

const begin = async (name: Name, way: Way, options: Options): Promise<Server> => {
  const [recipe, folder, since] = [recipes[name], join(options.directory, name), performance.now()]
  await mkdir(folder, { recursive: true })
  const before = remembered(folder)
  if (before && before.way !== way) await stop(runnerOf(recipe, folder, before))
  let ports = before?.ports ?? await freePorts()
  let runner = runnerOf(recipe, folder, { way, ports })
  const found = await runner.isRunning() && await runner.isCurrent() && await recipe.ready(ports[0])
  if (!found) {
    await kill9(runner)
    if (!(await Process.isFree(ports[0]) && await Process.isFree(ports[1]))) {
      ports = await freePorts()
      runner = runnerOf(recipe, folder, { way, ports })
    }
    writeState(join(folder, "server.json"), { way, ports } satisfies Remembered)
  }
  if (!options.detach) owned.add(runner)
  if (!found) await launch(recipe, runner, ports[0])
  const how = found ? "already serves" : `started in ${((performance.now() - since) / 1000).toFixed(1)} s`
  options.say(`${recipe.title}: ${how} at ${recipe.url(ports[0])}, ${runner.way}`)
  return handle(name, runner, ports[0])
}

/** Fetches what the servers run from. One after another: Maven's own store bears one writer. */
const fetchAll = async (wanted: ReadonlyArray<Name>, way: Way, { directory, say }: Options) => {
  for (const name of wanted) await runnerOf(recipes[name], join(directory, name), { way, ports: [0, 0] }).fetch(say)
}

/** Brings all that a later start needs from the network. */
export const install = async (wanted: ReadonlyArray<Name>, options: Options): Promise<void> =>
  fetchAll(wanted, await decide(wanted.map((name) => recipes[name])), options)

/**
 * Starts servers side by side, each in the first way there is: given by its URL in the environment (nothing is started),
 * a container, a process of this machine. Those that an earlier run left behind are taken over if they serve, and
 * otherwise replaced; either keeps their data. Fails with one line, and then nothing that it started goes on.
 */
export const start = async <const N extends Name>(wanted: ReadonlyArray<N>, options: Options): Promise<Servers<N>> => {
  const urlOf = (name: Name) => process.env[recipes[name].variable] || undefined
  const own = wanted.filter((name) => urlOf(name) === undefined)
  const way = own.length === 0 ? "process" : await decide(own.map((name) => recipes[name]))
  await fetchAll(own, way, options)
  const begun = await Promise.allSettled(wanted.map(async (name) => {
    const url = urlOf(name)
    if (url === undefined) return begin(name, way, options)
    options.say(`${recipes[name].title}: given by ${recipes[name].variable}`)
    return given(name, url)
  }))
  const servers = begun.flatMap((one) => one.status === "fulfilled" ? [one.value] : [])
  const stop = async () => void await Promise.all(servers.map((server) => server.stop()))
  const failed = begun.find((one) => one.status === "rejected")
  if (failed) {
    await stop()
    throw failed.reason
  }
  return {
    env: Object.fromEntries(servers.map(({ name, url }) => [recipes[name].variable, url])) as Servers<N>["env"],
    servers: Object.fromEntries(servers.map((server) => [server.name, server])) as Servers<N>["servers"],
    stop
  }
}

/** A server that was started in this directory, now or before. */
export interface Known extends Server {
  readonly variable: string
  readonly way: string
  /** Whether it answers. */
  readonly serves: () => Promise<boolean>
  /** Stops it and removes its data, port and logs. */
  readonly reset: () => Promise<void>
}

/** The servers that were started in this directory, running or not. Starts nothing; those given by URL are not known here. */
export const known = (wanted: ReadonlyArray<Name>, directory: string): ReadonlyArray<Known> =>
  wanted.flatMap((name) => {
    const folder = join(directory, name)
    const before = remembered(folder)
    if (!before) return []
    const [recipe, port] = [recipes[name], before.ports[0]]
    const runner = runnerOf(recipe, folder, before)
    const reset = async () => {
      await stop(runner)
      await runner.remove()
      await rm(folder, { recursive: true, force: true })
    }
    const serves = () => recipe.ready(port)
    return [{ ...handle(name, runner, port), variable: recipe.variable, way: runner.way, serves, reset }]
  })
