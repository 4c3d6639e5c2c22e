/**
 * The backing servers of the full profile, by hand: `node infra/local/cli.ts start|stop|status|kill9|reset|install [names…]`.
 *
 * `start` stays in the foreground until Ctrl-C, or with `--detach` leaves the servers running; it prints their environment
 * variables on the standard output and everything else on the other. `install` only fetches; `reset` also forgets the data.
 */
import { once } from "node:events"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { memory } from "./Process.ts"
import * as Servers from "./Servers.ts"

const usage = `usage: node infra/local/cli.ts start [--detach]|stop|status|kill9|reset|install [${Servers.names.join(" ")}]`
const directory = join(import.meta.dirname, "..", "..", ".data", "servers")
const say = (line: string) => console.error(line)

const start = async (names: ReadonlyArray<Servers.Name>, detach: boolean) => {
  // Before they are up there is nothing to be gentle with: leaving kills them.
  const abort = () => process.exit(130)
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const
  for (const signal of signals) process.once(signal, abort)
  const servers = await Servers.start(names, { directory, say, detach })
  for (const [key, value] of Object.entries(servers.env)) console.log(`${key}=${value}`)
  if (detach) return
  for (const signal of signals) process.off(signal, abort)
  const alive = setInterval(() => {}, 2 ** 30) // the servers do not keep this process
  await Promise.race(signals.map((signal) => once(process, signal)))
  clearInterval(alive)
  await servers.stop()
  say("stopped")
}

const status = async (names: ReadonlyArray<Servers.Name>) => {
  for (const { name, pid, serves, url, variable, way } of Servers.known(names, directory)) {
    const id = pid()
    const use = id === undefined ? "" : `, pid ${id}, ${memory(id)} MiB`
    console.log(`${name}: ${await serves() ? "up" : "down"}, ${variable}=${url}${use}, ${way}`)
  }
}

const commands: Record<string, (names: ReadonlyArray<Servers.Name>, detach: boolean) => Promise<unknown>> = {
  start,
  status,
  install: (names) => Servers.install(names, { directory, say }),
  stop: (names) => Promise.all(Servers.known(names, directory).map((server) => server.stop())),
  kill9: (names) => Promise.all(Servers.known(names, directory).map((server) => server.kill9())),
  reset: (names) => Promise.all(Servers.known(names, directory).map((server) => server.reset()))
}

try {
  const { positionals: [command = "", ...words], values } = parseArgs({
    allowPositionals: true,
    options: { detach: { type: "boolean", default: false } }
  })
  const names = Servers.names.filter((name) => words.length === 0 || words.includes(name))
  if (!Object.hasOwn(commands, command) || names.length < words.length) throw new Error(usage)
  await commands[command]?.(names, values.detach)
} catch (error) {
  say(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}
