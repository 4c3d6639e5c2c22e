import { Effect, Schema } from "effect"

/**
 * The embedded PostgreSQL cannot run; `message` says why and what to do about it.
 *
 * `InUse`: another living process runs a server on this folder. `UnsupportedPlatform`: no binaries for this machine.
 * `FolderUnusable`: the folder or what is in it. `StartFailed`: the binaries ran and refused, with the end of their log.
 */
export class EmbeddedPostgresError extends Schema.TaggedError<EmbeddedPostgresError>()("EmbeddedPostgresError", {
  reason: Schema.Literals(["InUse", "UnsupportedPlatform", "FolderUnusable", "StartFailed"]),
  message: Schema.String,
  cause: Schema.optional(Schema.Defect())
}) {}

/** A file operation whose failure means that the folder cannot be used. `doing` names it: "write the port file". */
export const onDisk = <A>(doing: string, run: () => Promise<A>): Effect.Effect<A, EmbeddedPostgresError> =>
  Effect.tryPromise({
    try: run,
    catch: (cause) =>
      new EmbeddedPostgresError({
        reason: "FolderUnusable",
        message: `The embedded PostgreSQL cannot ${doing}: ${cause instanceof Error ? cause.message : String(cause)}. ` +
          "Give this user the right to do it, or choose another data folder.",
        cause
      })
  })

/** What a binary left when it ended or could not even be started. */
export interface Ended {
  readonly code: number | null
  readonly signal: string | null
  /** Error code of the operating system when nothing could be started, as `ENOENT`. */
  readonly spawnError?: string
  /** The last lines it wrote. */
  readonly output: string
}

// STATUS_DLL_NOT_FOUND: what Windows answers when the C runtime that the binaries need is missing.
const dllNotFound = 0xc0000135

const adviceOf = (platform: NodeJS.Platform, ended: Ended, folder: string): string => {
  if (platform === "win32" && ended.code !== null && ended.code >>> 0 === dllNotFound) {
    return "Install the Microsoft Visual C++ Redistributable (x64) and start again."
  }
  if (/administrative permissions/i.test(ended.output)) {
    return "PostgreSQL refuses administrators: start from a shell that is not elevated."
  }
  if (/could not look up effective user ID/i.test(ended.output)) {
    return "This user has no entry in /etc/passwd, which PostgreSQL needs: add one, or run as another user."
  }
  if (/incompatible with server|initialized by PostgreSQL version/i.test(ended.output)) {
    return "The data is another PostgreSQL version's: dump it with that version and load it, or choose another data folder."
  }
  if (platform === "linux" && ended.spawnError === "ENOENT") {
    return "The binaries need glibc, which this Linux lacks (Alpine?): use a glibc image, or a PostgreSQL server of your own."
  }
  // Printable ASCII only: initdb on Windows mangles any other path.
  if (platform === "win32" && /[^ -~]/.test(folder)) {
    return "The data folder's path has characters outside ASCII: choose one without."
  }
  if (/no space left on device/i.test(ended.output)) return "Free some disk space and start again."
  return "Look into server.log beside the data, or choose another data folder."
}

/** The error of a binary that ended when it should have run, with what to do where the cause is known. */
export const startFailed = (platform: NodeJS.Platform, what: string, ended: Ended, folder: string): EmbeddedPostgresError => {
  const how = ended.spawnError ?? ended.signal ?? `code ${ended.code}`
  const output = ended.output.trim()
  return new EmbeddedPostgresError({
    reason: "StartFailed",
    message: `${what} failed (${how}). ${adviceOf(platform, ended, folder)}${output === "" ? "" : `\n${output}`}`
  })
}
