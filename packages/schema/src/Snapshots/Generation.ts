import { Effect } from "effect"
import { paths, snapshots } from "../Snapshots.ts"
import { breakingChanges } from "./BreakingChanges.ts"
import { incompatibilities, nextReleases, releasesOf } from "./Releases.ts"

/** The files that there are; paths are from the root of the repository. */
export interface Files {
  readonly read: (path: string) => string | undefined
  /** Names in a folder; none if there is no such folder. */
  readonly list: (folder: string) => ReadonlyArray<string>
}

/** What keeps the generated files and the contracts apart. */
export interface Generation {
  /** Files with what they should hold, where they hold something else or are not there. */
  readonly stale: ReadonlyMap<string, string>
  /** Files that belong to nothing any more. */
  readonly superfluous: ReadonlyArray<string>
  /** New files for schemas that are in no release yet. */
  readonly unreleased: ReadonlyMap<string, string>
  /** Why events that may be on their way already could not be read, or ours not by their readers. */
  readonly incompatible: ReadonlyArray<string>
  /** What the public API no longer does as the snapshot says it did. */
  readonly breaking: ReadonlyArray<string>
}

/** Compares files with the contracts. */
export const compare = Effect.fn("Generation.compare")(function*(files: Files) {
  const wanted = snapshots()
  const before = files.read(paths.openApi)
  const released = files.list(paths.released).map((name) => [name, files.read(`${paths.released}/${name}`) ?? ""] as const)
  const releases = releasesOf(new Map(released))
  const next = yield* nextReleases(releases)
  const found: Generation = {
    stale: new Map([...wanted].filter(([path, content]) => files.read(path) !== content)),
    superfluous: files.list(paths.current).map((name) => `${paths.current}/${name}`).filter((path) => !wanted.has(path)),
    unreleased: new Map([...next].map(([name, content]) => [`${paths.released}/${name}`, content])),
    incompatible: incompatibilities(releases),
    breaking: before === undefined ? [] : breakingChanges(JSON.parse(before), JSON.parse(wanted.get(paths.openApi) ?? "{}"))
  }
  return found
})
