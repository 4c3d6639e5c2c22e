import { Context, Effect, FileSystem, Layer, Option, Path, Schema } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import * as Running from "../../src/Running.ts"
import { Place, provider } from "./Place.ts"
import { eventually } from "./Shopping.ts"

const source = (file: string) => fileURLToPath(new URL(`../../src/${file}`, import.meta.url))

const ended = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null

const alive = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

const Secrets = Schema.fromJsonString(Schema.Struct({ simulatorSecret: Schema.String }))

const make = Effect.gen(function*() {
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const directory = yield* files.makeTempDirectoryScoped({ prefix: "marketplace-kill-" })
  // as root, PostgreSQL runs as another user, who has to reach its data
  yield* files.chmod(directory, 0o755)
  const env = {
    ...process.env,
    MARKETPLACE_DATA: directory,
    PORT: String(26_000 + process.pid % 1_000),
    LOG_LEVEL: "Error",
    ORDER_SWEEP_INTERVAL: "100 millis",
    PAYMENT_SWEEP_INTERVAL: "100 millis",
    PAYMENT_SIMULATOR_DEADLINE: "3 seconds"
  }
  let child: ChildProcess | undefined

  /** With a channel, so that it does not outlive a test run that is killed. */
  const launch = Effect.sync(() => {
    const started = spawn(process.execPath, [source("main.ts")], { stdio: ["ignore", "pipe", "inherit", "ipc"], env })
    let said = ""
    started.stdout?.setEncoding("utf8").on("data", (text: string) => {
      said = `${said}${text}`.slice(-4_000)
    })
    child = started
    return { started, said: () => said }
  })

  const end = (signal: "SIGKILL" | "SIGINT") =>
    Effect.promise(async () => {
      if (child === undefined) return undefined
      const exit = ended(child) ? undefined : once(child, "exit")
      child.kill(signal)
      await exit
      const { exitCode, signalCode } = child
      child = undefined
      return exitCode ?? signalCode
    })

  /** Of the server that belongs to the installation; undefined if none has left its file. */
  const postmaster = files.readFileString(path.join(directory, "postgres", "data", "postmaster.pid")).pipe(
    Effect.map((text) => Number(text.split("\n", 1)[0])),
    Effect.orElseSucceed(() => undefined)
  )

  /** As if somebody had pulled the plug: nobody can do anything any more. `all`: PostgreSQL neither. */
  const kill = Effect.fnUntraced(function*({ all }: { readonly all: boolean }) {
    const server = yield* postmaster
    if (all && server !== undefined && alive(server)) process.kill(server, "SIGKILL")
    yield* end("SIGKILL")
  })

  /** Returns when it can be talked to. What still ran is killed first. */
  const start = Effect.gen(function*() {
    yield* end("SIGKILL")
    const { said, started } = yield* launch
    const found = yield* eventually(Running.find(directory), (running) => Option.isSome(running) || ended(started), "60 seconds")
    if (Option.isNone(found)) return yield* Effect.die(new Error(`it did not start: ${said()}`))
    const { gatewayUrl, simulatorUrl } = found.value
    const secrets = yield* files.readFileString(path.join(directory, "secrets.json"))
    const { simulatorSecret } = yield* Schema.decodeEffect(Secrets)(secrets)
    return Place.of({ gatewayUrl, provider: yield* provider(simulatorUrl, simulatorSecret) })
  })

  yield* Effect.addFinalizer(() => kill({ all: true }))

  return {
    start,
    kill,
    /** Ctrl-C; gives the status. */
    stop: end("SIGINT"),
    /** Neither the process nor its PostgreSQL is left. */
    isStopped: Effect.gen(function*() {
      const server = yield* postmaster
      return Option.isNone(yield* Running.find(directory)) && (server === undefined || !alive(server))
    }),
    /** The status of `verify`, and what it said. */
    verify: Effect.promise(async () => {
      const verifying = spawn(process.execPath, [source("verify.ts")], { stdio: ["ignore", "pipe", "inherit"], env })
      const said = verifying.stdout.setEncoding("utf8").toArray()
      const [status] = await once(verifying, "exit")
      return { status, said: (await said).join("") }
    })
  }
})

/** The marketplace as people start it: one process with its PostgreSQL, in a folder of its own. */
export class Installation extends Context.Service<Installation, Effect.Success<typeof make>>()("test/Installation") {
  static readonly layer = Layer.effect(Installation, make)
}
