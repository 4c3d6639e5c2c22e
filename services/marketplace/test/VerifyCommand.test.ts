import { assert, layer } from "@effect/vitest"
import { Clock, Context, Effect, FileSystem, Layer, Option, Path } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Database from "@marketplace/postgres/Database"
import { PostgresServer } from "@marketplace/postgres/PostgresServer"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import * as Running from "../src/Running.ts"
import * as Installation from "../src/Verify/Installation.ts"
import { invariants } from "../src/Verify/Invariants.ts"

const source = (file: string) => fileURLToPath(new URL(`../src/${file}`, import.meta.url))

const make = Effect.gen(function*() {
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const directory = yield* files.makeTempDirectoryScoped({ prefix: "marketplace-verify-" })
  // as root, PostgreSQL runs as another user, who has to reach its data
  yield* files.chmod(directory, 0o755)
  const env = { ...process.env, MARKETPLACE_DATA: directory, PORT: String(27_000 + process.pid % 1_000), LOG_LEVEL: "Fatal" }

  const stop = (child: ChildProcess) =>
    Effect.promise(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, "exit")
      child.kill("SIGINT")
      await ended
    })

  return {
    directory,
    /** Status, what is said on stdout, and on stderr. */
    verify: (words: ReadonlyArray<string> = [], own: Record<string, string> = {}) =>
      Effect.promise(async () => {
        const child = spawn(process.execPath, [source("verify.ts"), ...words], {
          stdio: ["ignore", "pipe", "pipe"],
          env: { ...env, ...own }
        })
        const said = [child.stdout, child.stderr].map((stream) => stream.setEncoding("utf8").toArray())
        const [status] = await once(child, "exit")
        const [out = "", err = ""] = (await Promise.all(said)).map((parts) => parts.join(""))
        return { status, out, err }
      }),
    /** Runs until the scope is closed. */
    marketplace: Effect.gen(function*() {
      const child = yield* Effect.acquireRelease(
        Effect.sync(() => spawn(process.execPath, [source("main.ts")], { stdio: ["ignore", "ignore", "inherit"], env })),
        stop
      )
      const end = (yield* Clock.currentTimeMillis) + 60_000
      while (Option.isNone(yield* Running.find(directory))) {
        assert.isNull(child.exitCode)
        assert.isBelow(yield* Clock.currentTimeMillis, end)
        yield* Effect.sleep("50 millis")
      }
    }),
    hasPostgres: files.exists(path.join(directory, "postgres", "data", "postmaster.pid")),
    /** Works on the running installation's database. */
    asRole: <A, E>(role: "owner" | "verifier", work: Effect.Effect<A, E, SqlClient.SqlClient>) =>
      Effect.provide(
        work,
        Layer.unwrap(Effect.map(PostgresServer, ({ ownerUrl, urlOf }) =>
          Database.layer({ url: role === "owner" ? ownerUrl : urlOf(role), service: "test", maxConnections: 1 })
        )).pipe(Layer.provide(Installation.layerServer(directory)))
      )
  }
})

class Folder extends Context.Service<Folder, Effect.Success<typeof make>>()("test/Folder") {}

const World = Layer.effect(Folder, make).pipe(Layer.provideMerge(NodeServices.layer))

const statement = (text: string) => SqlClient.SqlClient.use((sql) => sql.unsafe(text))

const lastLine = (text: string) => text.trimEnd().split("\n").at(-1)

layer(World, { excludeTestServices: true, timeout: "60 seconds" })("the command verify", (it) => {
  it.effect("says what to do when there is nothing to check, and makes nothing", () => Effect.gen(function*() {
    const { directory, verify } = yield* Folder
    const files = yield* FileSystem.FileSystem
    const { err, out, status } = yield* verify()
    assert.deepStrictEqual([status, out], [2, ""])
    assert.match(err, /There is no marketplace in .*Start one \(node marketplace\.mjs start\), or say where it is with MARKET/)
    assert.deepStrictEqual(yield* files.readDirectory(directory), [])
  }))

  it.effect("cannot check what is not there, nor what it does not understand", () => Effect.gen(function*() {
    const { verify } = yield* Folder
    const [words, half] = yield* Effect.all([
      verify(["--since", "yesterday"]),
      verify([], { DATABASE_OWNER_URL: "postgres://nobody@127.0.0.1:1/none" })
    ], { concurrency: 2 })
    assert.strictEqual(words.status, 2)
    assert.match(words.err, /"yesterday"\. Expected: a time or a duration/)
    assert.deepStrictEqual([half.status, half.out], [2, ""])
    assert.include(half.err, "DATABASE_ROLE_SECRET")
  }))

  it.effect("checks a marketplace that runs, and one that is stopped", () => Effect.gen(function*() {
    const { asRole, hasPostgres, marketplace, verify } = yield* Folder
    yield* Effect.scoped(Effect.gen(function*() {
      yield* marketplace
      const fresh = yield* verify()
      assert.deepStrictEqual([fresh.status, fresh.err], [0, ""])
      assert.strictEqual(fresh.out, `${invariants.length} invariants, 0 violations\n`)

      yield* asRole("owner", statement("update user_service.member set sequence = 2 where email = 'minji@example.com'"))
      const { out, status } = yield* verify(["--json", "--since", "2020-01-01T00:00:00Z"])
      assert.strictEqual(status, 1)
      const report = JSON.parse(out)
      assert.deepStrictEqual([report.invariants, report.violations, report.unchecked], [invariants.length, 1, []])
      const [found] = report.findings.filter(({ violations }: { violations: number }) => violations > 0)
      assert.strictEqual(found.name, "events.aggregates-know-their-last")
      assert.deepInclude(found.rows[0], { context: "user", sequence: 2, last: 1 })

      const refused = yield* Effect.flip(asRole("verifier", statement("update user_service.member set sequence = 1")))
      // read_only_sql_transaction
      assert.strictEqual(SqlError.isSqlError(refused) ? Database.sqlState(refused) : undefined, "25006")
    }))

    assert.isFalse(yield* hasPostgres)
    const stopped = yield* verify(["--since", "2h"])
    assert.strictEqual(stopped.status, 1)
    assert.include(stopped.out, "✗ events.aggregates-know-their-last (always): ")
    assert.strictEqual(lastLine(stopped.out), `${invariants.length} invariants, 1 violations`)
    assert.isFalse(yield* hasPostgres)
  }), 60_000)
})
