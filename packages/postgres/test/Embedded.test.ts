import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Option, Schedule, Scope } from "effect"
import { PgClient } from "@effect/sql-pg"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { chmod, cp, lstat, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Embedded from "../src/Embedded.ts"
import * as Binaries from "../src/Embedded/Binaries.ts"
import { startFailed } from "../src/Embedded/EmbeddedPostgresError.ts"
import * as Folder from "../src/Embedded/Folder.ts"
import * as Process from "../src/Embedded/Process.ts"
import * as Scratch from "./scratch.ts"

const root = process.getuid?.() === 0

const start = (directory: string, options?: Partial<Embedded.Options>) =>
  Embedded.start({ directory, port: 35432, settings: { fsync: "off" }, ...options })

/** On a connection of its own. */
const ask = (server: Embedded.EmbeddedPostgres, statement: string) =>
  PgClient.PgClient.use((sql) => sql.unsafe(statement)).pipe(
    Effect.provide(PgClient.layer({ url: server.ownerUrl, maxConnections: 1 }))
  )

/** Checks every 10 ms; fails after 10 seconds. */
const until = (holds: () => boolean) =>
  Effect.sync(holds).pipe(
    Effect.repeat({ until: (held) => held, schedule: Schedule.spaced("10 millis") }),
    Effect.timeout("10 seconds")
  )

/** A process of its own that runs a server on `directory` until it is stopped or killed. */
const holder = (directory: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(process.execPath, [fileURLToPath(new URL("./holder.ts", import.meta.url)), directory, "35432"])
      let output = ""
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding("utf8").on("data", (text: string) => { output += text })
      }
      const serverId = () => Number(/^\d+$/m.exec(output)?.[0] ?? 0)
      return {
        output: () => output,
        serverId,
        /** Process id of its server, as soon as it runs; 0 when it could not start one. */
        server: Effect.map(until(() => serverId() > 0 || child.exitCode !== null), serverId),
        end: (signal: NodeJS.Signals) => Effect.promise(async () => {
          if (child.exitCode !== null || child.signalCode !== null) return
          child.kill(signal)
          await once(child, "exit")
        })
      }
    }),
    (held) => Effect.andThen(held.end("SIGTERM"), Effect.sync(() => {
      // Of a test that failed before it came to this server.
      if (held.serverId() > 0 && Process.isAlive(held.serverId())) process.kill(held.serverId(), "SIGQUIT")
    }))
  )

describe("embedded server", () => {
  // For the tests that do not mind what is in it: making a cluster takes most of a test's time.
  let directory = ""
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "embedded-"))
    await chmod(directory, 0o755)
  })
  afterAll(() => rm(directory, { recursive: true, force: true }))

  it.live("is durable, local and UTF-8, and keeps data, password and port", () => Effect.gen(function*() {
    const directory = join(yield* Scratch.folder(0o755), "state")
    const first = yield* Effect.scoped(Effect.gen(function*() {
      const server = yield* Embedded.start({ directory, port: 35432 })
      yield* ask(server, "create table kept as select 1 as one")
      const settings = yield* ask(server, `
        select name, setting from pg_settings where name in ('fsync', 'synchronous_commit', 'full_page_writes',
          'listen_addresses', 'unix_socket_directories', 'server_encoding', 'TimeZone') order by name collate "C"`)
      assert.deepStrictEqual(settings.map((row) => Object.values(row)), [
        ["TimeZone", "UTC"],
        ["fsync", "on"],
        ["full_page_writes", "on"],
        ["listen_addresses", "127.0.0.1"],
        ["server_encoding", "UTF8"],
        ["synchronous_commit", "on"],
        ["unix_socket_directories", ""]
      ])
      const { mode } = yield* Effect.promise(() => stat(join(directory, "password")))
      assert.strictEqual(mode & 0o777, 0o600)
      return server
    }))
    assert.isFalse(Process.isAlive(first.pid))
    const second = yield* start(directory)
    assert.deepStrictEqual(yield* ask(second, "select one from kept"), [{ one: 1 }])
    assert.deepStrictEqual([second.port, second.secret], [first.port, first.secret])
    const guessed = { ...second, ownerUrl: Scratch.withLogin(second.ownerUrl, "postgres", "guess") }
    const refused = yield* Effect.flip(ask(guessed, "select 1"))
    assert.strictEqual(refused.reason._tag, "AuthenticationError")
  }))

  it.live("stops the server that a killed process left behind and takes over its data", () => Effect.gen(function*() {
    const killed = yield* holder(directory)
    const left = yield* killed.server
    yield* killed.end("SIGKILL")
    assert.isTrue(Process.isAlive(left), killed.output())
    const before = yield* Effect.promise(() => readFile(join(directory, "port"), "utf8"))
    const { log, result } = yield* Scratch.logged(start(directory))
    // Its id may stay a moment longer, until its new parent takes note.
    assert.isFalse(Option.exists(yield* Process.inspect(left), ({ command }) => command.includes(directory)))
    assert.include(log, `stopped a PostgreSQL server (process ${left})`)
    assert.strictEqual(`35432 ${result.port}`, before)
  }))

  it.live("leaves a server alone that a living process uses", () => Effect.gen(function*() {
    const other = yield* holder(directory)
    const used = yield* other.server
    const error = yield* Effect.flip(start(directory))
    assert.strictEqual(error.reason, "InUse")
    assert.isTrue(Process.isAlive(used), other.output())
  }))

  it.live("lets one of two first starts win", () => Effect.gen(function*() {
    const directory = yield* Scratch.folder(0o755)
    const both = [yield* holder(directory), yield* holder(directory)]
    const servers = yield* Effect.forEach(both, ({ server }) => server, { concurrency: 2 })
    const loser = both[servers.indexOf(0)]
    assert.strictEqual(servers.filter((pid) => pid > 0 && Process.isAlive(pid)).length, 1)
    assert.include(loser?.output(), "is in use by")
    // What is left can be used.
    yield* Effect.forEach(both, ({ end }) => end("SIGKILL"))
    assert.deepStrictEqual(yield* ask(yield* start(directory), "select 1 as one"), [{ one: 1 }])
  }))

  it.live("is not misled by a pid file whose id belongs to another process by now", () => Effect.gen(function*() {
    yield* Effect.scoped(start(directory))
    const { gid, uid } = yield* Effect.promise(() => stat(join(directory, "data")))
    const stranger = yield* Effect.acquireRelease(
      // the server's user may not be able to reach this Node
      Effect.sync(() =>
        root ? spawn("sleep", ["600"], { gid, uid, cwd: "/" }) : spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"])
      ),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )
    const pidFile = join(directory, "data", "postmaster.pid")
    yield* Effect.promise(async () => {
      await writeFile(pidFile, `${stranger.pid}\n${join(directory, "data")}\n`)
      await chmod(pidFile, 0o644)
    })
    assert.deepStrictEqual(yield* ask(yield* start(directory), "select 1 as one"), [{ one: 1 }])
    assert.isTrue(Process.isAlive(stranger.pid ?? 0))
  }))

  it.live("takes the next port when another program has the one it wants, and stays there", () => Effect.gen(function*() {
    const scope = yield* Scope.make()
    const taken = yield* Scope.provide(
      Effect.acquireRelease(
        Effect.promise(async () => {
          const blocker = createServer().listen(0, "127.0.0.1")
          await once(blocker, "listening")
          const address = blocker.address()
          return { blocker, port: typeof address === "object" && address !== null ? address.port : 0 }
        }),
        ({ blocker }) => Effect.sync(() => blocker.close())
      ),
      scope
    )
    const first = yield* Effect.scoped(start(directory, { port: taken.port }))
    assert.isAbove(first.port, taken.port)
    yield* Scope.close(scope, Exit.void)
    const second = yield* start(directory, { port: taken.port })
    assert.strictEqual(second.port, first.port)
  }))

  it.live("comes back on the same port when it dies, with all that it acknowledged", () => Effect.gen(function*() {
    const server = yield* start(directory)
    yield* ask(server, "create table returned as select 1 as one")
    const { pid, port } = server
    yield* server.kill9
    assert.isFalse(Process.isAlive(pid))
    yield* until(() => server.pid !== pid)
    assert.strictEqual(server.port, port)
    assert.deepStrictEqual(yield* ask(server, "select one from returned"), [{ one: 1 }])
  }))

  it.live("stays dead without `restart`, and starts again after SIGKILL", () => Effect.gen(function*() {
    const first = yield* start(directory, { restart: false })
    yield* ask(first, "create table survivor as select 1 as one")
    yield* first.kill9
    const second = yield* start(directory, { restart: false })
    assert.notStrictEqual(second.pid, first.pid)
    assert.deepStrictEqual(yield* ask(second, "select one from survivor"), [{ one: 1 }])
  }))

  it.live("says what the server said when it refuses to start", () => Effect.gen(function*() {
    const error = yield* Effect.flip(start(directory, { settings: { fsync: "off", shared_buffers: "much" } }))
    assert.strictEqual(error.reason, "StartFailed")
    assert.include(error.message, `invalid value for parameter "shared_buffers": "much"`)
  }))

  it.live("refuses the data of another PostgreSQL version and of a lost password", () => Effect.gen(function*() {
    yield* Effect.scoped(start(directory))
    yield* Effect.promise(() => rm(join(directory, "password")))
    assert.include((yield* Effect.flip(start(directory))).message, "remove the whole folder")
    yield* Effect.promise(() => writeFile(join(directory, "data", "PG_VERSION"), "12\n"))
    assert.include((yield* Effect.flip(start(directory))).message, "was made by PostgreSQL 12")
  }))
})

describe.runIf(root)("as root", () => {
  it.live("runs as another user", () => Effect.gen(function*() {
    const server = yield* start(yield* Scratch.folder(0o755))
    const { uid } = yield* Effect.promise(() => stat(join(server.folder, "data")))
    assert.notStrictEqual(uid, 0)
    const status = yield* Effect.promise(() => readFile(`/proc/${server.pid}/status`, "utf8"))
    assert.include(status, `Uid:\t${uid}\t${uid}\t${uid}\t${uid}`)
  }))

  it.live("keeps its data where that user gets to, says so, and finds it again", () => Effect.gen(function*() {
    const directory = join(yield* Scratch.folder(0o700), "deep", "state")
    const { log, result } = yield* Scratch.logged(Effect.scoped(Effect.tap(start(directory), (server) =>
      ask(server, "create table kept as select 1 as one"))))
    yield* Effect.addFinalizer(() => Effect.promise(() => rm(result.folder, { recursive: true })))
    assert.notStrictEqual(result.folder, directory)
    assert.include(log, `other users cannot enter ${directory}: its data is kept in ${result.folder}`)
    yield* Effect.scoped(Effect.gen(function*() {
      const again = yield* start(directory)
      assert.deepStrictEqual(yield* ask(again, "select one from kept"), [{ one: 1 }])
    }))
    // Who removes the folder wants to start afresh.
    yield* Effect.promise(() => rm(directory, { recursive: true }))
    const fresh = yield* start(directory)
    yield* Effect.addFinalizer(() => Effect.promise(() => rm(fresh.folder, { recursive: true })))
    assert.notStrictEqual(fresh.folder, result.folder)
  }))

  it.live("says how to open a folder that was closed over its data", () => Effect.gen(function*() {
    const parent = yield* Scratch.folder(0o755)
    const directory = join(parent, "state")
    yield* Effect.scoped(start(directory))
    yield* Effect.promise(() => chmod(parent, 0o700))
    assert.include((yield* Effect.flip(start(directory))).message, `chmod o+x ${parent}`)
  }))
})

describe("binaries", () => {
  it.live("are copied when they cannot be used where they are installed", () => Effect.gen(function*() {
    const folder = yield* Folder.open(yield* Scratch.folder(0o755))
    // Without links, on what is as good as a read-only disk; as root, also out of the server user's reach.
    const closed = yield* Scratch.folder(0o700)
    const installed = yield* Binaries.packageFolder
    const lib = join(closed, "native", "lib")
    yield* Effect.promise(async () => {
      await cp(installed, closed, { recursive: true, filter: async (path) => !(await lstat(path)).isSymbolicLink() })
      await chmod(closed, 0o700)
      await chmod(lib, 0o555)
    })
    yield* Effect.addFinalizer(() => Effect.promise(() => chmod(lib, 0o755)))
    const first = yield* Scratch.logged(Binaries.from(closed, folder))
    assert.include(first.log, "cannot be used in")
    assert.include(first.result.initdb, folder.path)
    // initdb needs a library that is found by its link.
    const initdb = yield* Process.run(first.result.initdb, ["--version"], folder, "collect")
    assert.containSubset(yield* Deferred.await(initdb.exited), { code: 0, output: "initdb (PostgreSQL) 18.4\n" })
    assert.deepStrictEqual(yield* Scratch.logged(Binaries.from(closed, folder)), { result: first.result, log: "" })
  }))
})

describe("advice", () => {
  const ended = { code: 1, signal: null, output: "" }
  const cases: ReadonlyArray<readonly [NodeJS.Platform, Parameters<typeof startFailed>[2], string, string]> = [
    ["win32", { ...ended, code: 0xc0000135 }, "C:\\data", "Visual C++ Redistributable"],
    ["win32", { ...ended, code: -1073741515 }, "C:\\data", "Visual C++ Redistributable"],
    ["win32", { ...ended, output: "Execution of PostgreSQL by a user with administrative permissions is not permitted." },
      "C:\\data", "not elevated"],
    ["win32", ended, "C:\\사용자\\data", "outside ASCII"],
    ["linux", { ...ended, code: null, spawnError: "ENOENT" }, "/data", "glibc"],
    ["linux", { ...ended, output: "initdb: error: could not look up effective user ID 5000: user does not exist" },
      "/data", "/etc/passwd"],
    ["darwin", { ...ended, output: "No space left on device" }, "/data", "disk space"],
    ["darwin", { ...ended, code: null, signal: "SIGABRT" }, "/data", "server.log"]
  ]
  it.each(cases)("on %s: %o", (platform, how, folder, advice) => {
    assert.include(startFailed(platform, "Starting", how, folder).message, advice)
  })
})
