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
import { compare } from "../../packages/schema/src/Snapshots/Generation.ts"

const root = join(import.meta.dirname, "..", "..")
const say = (line: string) => console.error(line)

const write = (files: ReadonlyMap<string, string>, flag: "w" | "wx") => {
  for (const [path, content] of files) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), content, { flag })
    say(`wrote ${path}`)
  }
}

const refuse = (what: string, reasons: Iterable<string>) => {
  const lines = [...reasons].map((reason) => `  ${reason}`)
  if (lines.length > 0) throw new Error([what, ...lines].join("\n"))
}

try {
  const { values: { breaking, check, release } } = parseArgs({
    options: {
      check: { type: "boolean", default: false },
      release: { type: "boolean", default: false },
      breaking: { type: "boolean", default: false }
    }
  })
  const found = await Effect.runPromise(compare({
    read: (path) => existsSync(join(root, path)) ? readFileSync(join(root, path), "utf8") : undefined,
    list: (folder) => existsSync(join(root, folder)) ? readdirSync(join(root, folder)) : []
  }))
  refuse("Released events and those of now cannot read each other:", found.incompatible)
  if (!breaking) refuse("This would break callers of the public API; --breaking says that it is meant:", found.breaking)
  if (check) {
    refuse("Not what the contracts say; run `node marketplace.mjs generate`:", [...found.stale.keys(), ...found.superfluous])
    refuse("Not released; run `node marketplace.mjs generate --release`:", found.unreleased.keys())
  } else {
    for (const path of found.superfluous) rmSync(join(root, path))
    write(found.stale, "w")
    if (release) write(found.unreleased, "wx")
  }
} catch (error) {
  say(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}
