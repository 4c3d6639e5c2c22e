/**
 * Writes what is derived from the contracts: `node marketplace.mjs generate [--check] [--release] [--breaking]`.
 *
 * `--check` writes nothing and ends with status 1 if a file is not what it should be. `--release` freezes the schema of
 * every event that is none or another than its latest release; nothing else is ever written among the released files.
 * A change of the public API that would break its callers is refused unless `--breaking` says that it is meant.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { parseArgs } from "node:util"
import { Effect } from "effect"
import { paths, snapshots } from "../../packages/schema/src/Snapshots.ts"
import { breakingChanges } from "../../packages/schema/src/Snapshots/BreakingChanges.ts"
import { incompatibilities, nextReleases, releasesOf } from "../../packages/schema/src/Snapshots/Releases.ts"

const root = join(import.meta.dirname, "..", "..")
const say = (line: string) => console.error(line)

const read = (path: string) => existsSync(join(root, path)) ? readFileSync(join(root, path), "utf8") : undefined

const list = (path: string) => existsSync(join(root, path)) ? readdirSync(join(root, path)) : []

const write = (path: string, content: string) => {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), content)
  say(`wrote ${path}`)
}

const refuse = (what: string, reasons: ReadonlyArray<string>) => {
  if (reasons.length > 0) throw new Error([what, ...reasons.map((reason) => `  ${reason}`)].join("\n"))
}

const wanted = snapshots()
const current = list(paths.current).map((name) => `${paths.current}/${name}`)
const superfluous = current.filter((path) => !wanted.has(path))
const stale = [...wanted].filter(([path, content]) => read(path) !== content)
const releases = releasesOf(new Map(list(paths.released).map((name) => [name, read(`${paths.released}/${name}`) ?? ""])))

try {
  const { values } = parseArgs({
    options: {
      check: { type: "boolean", default: false },
      release: { type: "boolean", default: false },
      breaking: { type: "boolean", default: false }
    }
  })
  refuse("Released versions and the events of now cannot read each other:", incompatibilities(releases))
  if (values.check) {
    refuse("Not what the contracts say; run `node marketplace.mjs generate`:", [...stale.map(([path]) => path), ...superfluous])
    refuse("Not released; run `node marketplace.mjs generate --release`:", [...(await Effect.runPromise(nextReleases(releases))).keys()])
  } else {
    const before = read(paths.openApi)
    const changes = before === undefined ? [] : breakingChanges(JSON.parse(before), JSON.parse(wanted.get(paths.openApi) ?? "{}"))
    if (!values.breaking) refuse("This would break callers of the public API; --breaking says that it is meant:", changes)
    for (const path of superfluous) rmSync(join(root, path))
    for (const [path, content] of stale) write(path, content)
    const next = values.release ? await Effect.runPromise(nextReleases(releases)) : new Map<string, string>()
    for (const [name, content] of next) write(`${paths.released}/${name}`, content)
    if (stale.length + superfluous.length + next.size === 0) say("nothing to write")
  }
} catch (error) {
  say(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}
