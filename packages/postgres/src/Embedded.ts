import { Deferred, Effect, Redacted, Schedule } from "effect"
import type { Scope } from "effect"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as Binaries from "./Embedded/Binaries.ts"
import * as Cluster from "./Embedded/Cluster.ts"
import { type EmbeddedPostgresError, onDisk } from "./Embedded/EmbeddedPostgresError.ts"
import * as Folder from "./Embedded/Folder.ts"
import * as Postmaster from "./Embedded/Postmaster.ts"
import type * as Process from "./Embedded/Process.ts"

/** A running PostgreSQL server that belongs to this process. */
export interface EmbeddedPostgres {
  /** Stays the same as long as the server is not closed, also when it crashes and is started again. */
  readonly port: number
  /** Superuser on the maintenance database `postgres`. */
  readonly ownerUrl: Redacted.Redacted<string>
  /** A secret of this cluster, as old as its data: the passwords of roles are derived from it. */
  readonly secret: Redacted.Redacted<string>
  /** Where the data really is; not the folder asked for when that one cannot be used (see `start`). */
  readonly folder: string
  /** Process id of the server that runs now. */
  readonly pid: number
  /** SIGKILL to the server, for fault tests; returns when it is dead. What it acknowledged must survive. */
  readonly kill9: Effect.Effect<void>
}

export interface Options {
  /** Holds the data, the password (mode 0600), the port and the log; made if missing. */
  readonly directory: string
  /** The first port to try, 15432 if left out. The port that was free is remembered in the folder. */
  readonly port?: number
  /** Server settings that differ from the defaults, which are durable: a commit is on disk when it is acknowledged. */
  readonly settings?: Readonly<Record<string, string>>
  /** `false`: a server that dies stays dead. Otherwise it is started again at once on the same port. */
  readonly restart?: boolean
}

const defaults: Readonly<Record<string, string>> = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  shared_buffers: "64MB",
  max_connections: "100",
  fsync: "on",
  synchronous_commit: "on",
  // Nothing replicates from an embedded server.
  wal_level: "minimal",
  max_wal_senders: "0",
  // Compiling a plan costs more than the short queries of this product take.
  jit: "off",
  // A young installation grows from nothing to thousands of rows in a minute: plans for empty tables are soon made anew.
  autovacuum_naptime: "10s",
  timezone: "UTC",
  log_timezone: "UTC",
  // Statements and the details of errors hold personal data.
  log_error_verbosity: "terse",
  log_min_error_statement: "panic"
}

/** The port found the last time, as long as the same one is asked for. */
const rememberedPort = (file: string, asked: number): Effect.Effect<number> =>
  Effect.promise(() => readFile(file, "utf8").catch(() => "")).pipe(
    Effect.map((text) => {
      const [requested, found] = text.split(" ").map(Number)
      return requested === asked && found !== undefined && found > 0 ? found : asked
    })
  )

type Launch = (port: number) => Effect.Effect<Process.Child, EmbeddedPostgresError, Scope.Scope>

const onFreePort = (
  launch: Launch,
  from: number
): Effect.Effect<readonly [port: number, child: Process.Child], EmbeddedPostgresError, Scope.Scope> =>
  Effect.flatMap(Postmaster.freePort(from), (port) =>
    launch(port).pipe(
      Effect.map((child) => [port, child] as const),
      Effect.catchIf(Postmaster.lostPort, () => onFreePort(launch, port + 1))
    ))

/**
 * Starts PostgreSQL from the binaries of the npm package, on 127.0.0.1 only, with the data in `directory`; it is made on
 * the first start (about a second). Closing the scope stops the server and waits for it.
 *
 * A server left on the folder by a killed process is stopped first; one that a living process uses is an `InUse` error.
 * As root the server runs as another user, and its data is kept elsewhere when that user cannot enter the folder. Runs in
 * real time: under a test clock it waits for ever.
 */
export const start = (options: Options): Effect.Effect<EmbeddedPostgres, EmbeddedPostgresError, Scope.Scope> =>
  Effect.gen(function*() {
    const folder = yield* Folder.open(options.directory)
    yield* Postmaster.clearLeftOver(folder)
    const binaries = yield* Binaries.locate(folder)
    const settings = { ...defaults, ...options.settings }
    const secret = yield* Cluster.ensure(folder, binaries, settings.fsync !== "off")

    const asked = options.port ?? 15432
    const portFile = join(folder.path, "port")
    const launch: Launch = (port) => Postmaster.launch(folder, binaries, port, settings)

    // Each server has a scope of its own, in a fiber that lives as long as the caller's scope: it sees the server die.
    let current: Process.Child | undefined
    const started = yield* Deferred.make<number, EmbeddedPostgresError>()
    const oneLife = (from: Effect.Effect<readonly [number, Process.Child], EmbeddedPostgresError, Scope.Scope>) =>
      Effect.scoped(Effect.gen(function*() {
        const [port, child] = yield* from
        current = child
        yield* Deferred.succeed(started, port)
        const ended = yield* Deferred.await(child.exited)
        yield* Effect.logWarning(`PostgreSQL ended without being asked to (${ended.signal ?? `code ${ended.code}`})`)
        return port
      }))
    const again = (port: number) =>
      oneLife(Effect.map(Effect.andThen(Postmaster.clearLeftOver(folder), launch(port)), (child) => [port, child] as const)).pipe(
        Effect.tapError((error) => Effect.logError(error.message)),
        Effect.retry(Schedule.spaced("1 second"))
      )
    yield* oneLife(onFreePort(launch, yield* rememberedPort(portFile, asked))).pipe(
      Effect.tapCause((cause) => Deferred.failCause(started, cause)),
      Effect.flatMap((port) => options.restart === false ? Effect.void : Effect.forever(again(port))),
      Effect.ignore,
      Effect.forkScoped
    )
    const port = yield* Deferred.await(started)
    yield* onDisk(`write ${portFile}`, () => writeFile(portFile, `${asked} ${port}`))

    return {
      port,
      ownerUrl: Redacted.make(`postgres://${Cluster.owner}:${Redacted.value(secret)}@127.0.0.1:${port}/postgres`),
      secret,
      folder: folder.path,
      get pid() {
        return current?.pid ?? 0
      },
      kill9: Effect.suspend(() => {
        const child = current
        if (child === undefined) return Effect.void
        child.signal("SIGKILL")
        return Effect.asVoid(Deferred.await(child.exited))
      })
    }
  })
