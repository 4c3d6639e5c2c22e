import { Effect } from "effect"
import { mkdir, mkdtemp, readFile, realpath, stat, writeFile, chmod } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join, resolve } from "node:path"
import { EmbeddedPostgresError, onDisk } from "./EmbeddedPostgresError.ts"

/** The OS user the server runs as. */
export interface ServerUser {
  readonly uid: number
  readonly gid: number
}

/** Where the embedded server keeps what belongs to it: the cluster in `data`, and its password, port and log beside it. */
export interface Folder {
  readonly path: string
  readonly data: string
  /** `undefined`: the user of this process. PostgreSQL refuses to run as root, so root names somebody else. */
  readonly user: ServerUser | undefined
}

const pointerName = "kept-elsewhere"

/** `undefined` where there is nothing. */
const statOf = (path: string) =>
  Effect.promise(() => stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined
    throw error
  }))

/** The first folder on the way to `path` (itself included) that `user` may not enter; access lists are not looked at. */
export const closedTo = (user: ServerUser, path: string): Effect.Effect<string | undefined> =>
  Effect.promise(async () => {
    const real = await realpath(path)
    const way = [real]
    for (let above = dirname(real); above !== way[0]; above = dirname(above)) way.unshift(above)
    for (const folder of way) {
      const { gid, mode, uid } = await stat(folder)
      const enter = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001
      if ((mode & enter) === 0) return folder
    }
    return undefined
  })

/** The owner of the data, once there is any; else `postgres` or `nobody`, the users that own nothing else. */
const serverUser = (data: string): Effect.Effect<ServerUser> =>
  Effect.gen(function*() {
    const owner = yield* statOf(data)
    if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid }
    const users = yield* Effect.promise(() => readFile("/etc/passwd", "utf8").catch(() => ""))
    for (const name of ["postgres", "_postgres", "nobody"]) {
      const entry = users.split("\n").find((line) => line.startsWith(`${name}:`))?.split(":")
      const [uid, gid] = [Number(entry?.[2]), Number(entry?.[3])]
      if (uid > 0 && gid > 0) return { uid, gid }
    }
    return { uid: 65534, gid: 65534 }
  })

/** A new folder that `user` reaches. `/var/tmp` first: unlike `/tmp` it outlives a restart of the machine. */
const elsewhere = (user: ServerUser): Effect.Effect<string, EmbeddedPostgresError> =>
  Effect.gen(function*() {
    for (const base of ["/var/tmp", tmpdir()]) {
      const there = yield* statOf(base)
      if (there?.isDirectory() === true && (yield* closedTo(user, base)) === undefined) {
        return yield* onDisk(`make a folder in ${base}`, async () => {
          const path = await mkdtemp(join(base, "marketplace-postgres-"))
          await chmod(path, 0o711)
          return path
        })
      }
    }
    return yield* new EmbeddedPostgresError({
      reason: "FolderUnusable",
      message: "PostgreSQL does not run as root, and no other user reaches a folder for its data. " +
        "Start as an ordinary user, or open the data folder's parents (chmod o+x)."
    })
  })

/**
 * Makes the folder and decides who owns the data in it. As root, a folder under one that is closed to others (root's home,
 * a temporary folder) cannot hold data of another user: the data is then kept elsewhere, the folder holds a pointer to it,
 * and one log line says so. Removing the folder thus starts afresh, as it does everywhere else.
 */
export const open = (directory: string): Effect.Effect<Folder, EmbeddedPostgresError> =>
  Effect.gen(function*() {
    const wanted = resolve(directory)
    yield* onDisk(`make the folder ${wanted}`, () => mkdir(wanted, { recursive: true }))
    if (process.getuid?.() !== 0) return { path: wanted, data: join(wanted, "data"), user: undefined }

    const pointer = join(wanted, pointerName)
    const pointed = yield* Effect.promise(() => readFile(pointer, "utf8").catch(() => ""))
    const kept = pointed !== "" && (yield* statOf(pointed)) !== undefined ? pointed : wanted
    const user = yield* serverUser(join(kept, "data"))
    const closed = yield* closedTo(user, kept)
    if (closed === undefined && kept === wanted) return { path: wanted, data: join(wanted, "data"), user }
    if (closed !== undefined && (yield* statOf(join(kept, "data"))) !== undefined) {
      return yield* new EmbeddedPostgresError({
        reason: "FolderUnusable",
        message: `PostgreSQL does not run as root, and user ${user.uid}, who owns the data in ${kept}, cannot enter ${closed}. ` +
          `Open it (chmod o+x ${closed}), or move the data.`
      })
    }
    const path = closed === undefined ? kept : yield* elsewhere(user)
    if (path !== kept) yield* onDisk(`write ${pointer}`, () => writeFile(pointer, path, { flush: true }))
    yield* Effect.logInfo(
      `PostgreSQL does not run as root, and other users cannot enter ${wanted}: its data is kept in ${path}`
    )
    return { path, data: join(path, "data"), user }
  })
