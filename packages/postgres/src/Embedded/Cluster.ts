import { Deferred, Effect, Redacted } from "effect"
import { SecureRandom } from "effect/crypto"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { access, chmod, chown, link, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import type { Binaries } from "./Binaries.ts"
import { EmbeddedPostgresError, onDisk, startFailed } from "./EmbeddedPostgresError.ts"
import type { Folder } from "./Folder.ts"
import * as Process from "./Process.ts"

/** Name of the superuser, who owns everything in the cluster. */
export const owner = "postgres"

const textOf = (path: string) => Effect.promise(() => readFile(path, "utf8").catch(() => undefined))

const unusable = (message: string) => Effect.fail(new EmbeddedPostgresError({ reason: "FolderUnusable", message }))

/** Made once, together with the cluster, and readable by the server's user and root only. */
const password = (folder: Folder, exists: boolean): Effect.Effect<Redacted.Redacted<string>, EmbeddedPostgresError> =>
  Effect.gen(function*() {
    const path = join(folder.path, "password")
    const kept = yield* textOf(path)
    if (kept !== undefined) return Redacted.make(kept)
    if (exists) {
      return yield* unusable(
        `${path} cannot be read, and without it nobody gets into the database beside it. Start as the user who owns it or ` +
          "bring it back; if it is lost, remove the whole folder and start with empty data."
      )
    }
    const bytes = yield* SecureRandom.SecureRandom.use((random) => random.randomBytes(32))
    const made = Buffer.from(bytes).toString("hex")
    // A link appears complete or not at all, and of two processes one makes it: both go on with that one's password.
    const draft = `${path}.${process.pid}`
    yield* onDisk(`write ${path}`, async () => {
      await writeFile(draft, made, { mode: 0o600, flush: true })
      if (folder.user !== undefined) await chown(draft, folder.user.uid, folder.user.gid)
      await link(draft, path).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "EEXIST") throw error
      })
      await rm(draft)
    })
    return Redacted.make((yield* textOf(path)) ?? made)
  }).pipe(Effect.provide(NodeCrypto.layerSecureRandom))

const draftPrefix = "data.new-"

/** What a start that was killed in the middle left. */
const removeOldDrafts = (folder: Folder) =>
  onDisk(`clear ${folder.path}`, async () => {
    for (const name of await readdir(folder.path)) {
      if (!name.startsWith(draftPrefix) || Process.isAlive(Number(name.slice(draftPrefix.length)))) continue
      await rm(join(folder.path, name), { recursive: true, force: true })
    }
  })

/**
 * UTF-8 whatever the machine's locale is, and the same order of text on every machine. The cluster appears under its
 * final name when it is complete, so that a start that is killed in the middle leaves nothing that looks like data; of
 * two processes that do this at once, the second one goes on with the first one's.
 */
const initialise = (folder: Folder, binaries: Binaries, durable: boolean): Effect.Effect<void, EmbeddedPostgresError> =>
  Effect.gen(function*() {
    yield* removeOldDrafts(folder)
    const draft = join(folder.path, `${draftPrefix}${process.pid}`)
    yield* onDisk(`make ${draft}`, async () => {
      await rm(draft, { recursive: true, force: true })
      await mkdir(draft)
      await chmod(draft, 0o700)
      if (folder.user !== undefined) await chown(draft, folder.user.uid, folder.user.gid)
    })
    const initdb = yield* Process.run(binaries.initdb, [
      "-D",
      draft,
      `--username=${owner}`,
      `--pwfile=${join(folder.path, "password")}`,
      "--auth=scram-sha-256",
      "--encoding=UTF8",
      "--locale-provider=builtin",
      "--builtin-locale=C.UTF-8",
      "--locale=C",
      "--no-instructions",
      ...(durable ? [] : ["--no-sync"])
    ], folder, "collect")
    const ended = yield* Effect.onInterrupt(Deferred.await(initdb.exited), () => Effect.sync(() => initdb.signal("SIGKILL")))
    if (ended.code !== 0) return yield* startFailed(process.platform, "Making the embedded PostgreSQL's data", ended, folder.path)
    yield* onDisk(`give ${folder.data} its name`, () =>
      rename(draft, folder.data).catch(async (error: unknown) => {
        await rm(draft, { recursive: true, force: true })
        await access(join(folder.data, "PG_VERSION")).catch(() => { throw error })
      }))
  }).pipe(Process.announced("making the data of the embedded PostgreSQL, this time only"))

/**
 * The password of the cluster's owner; the cluster is made first where there is none yet.
 *
 * @param durable `false` spares the flush to disk, for data that nobody will miss
 */
export const ensure = (
  folder: Folder,
  binaries: Binaries,
  durable: boolean
): Effect.Effect<Redacted.Redacted<string>, EmbeddedPostgresError> =>
  Effect.gen(function*() {
    const made = (yield* textOf(join(folder.data, "PG_VERSION")))?.trim()
    const major = binaries.version.split(".")[0]
    if (made !== undefined && made !== major) {
      return yield* unusable(
        `The data in ${folder.data} was made by PostgreSQL ${made}, and this program brings PostgreSQL ${major}. Dump it with ` +
          "the program's earlier version and load it into a new folder, or choose another data folder."
      )
    }
    const secret = yield* password(folder, made !== undefined)
    if (made === undefined) yield* initialise(folder, binaries, durable)
    return secret
  })
