import type { Findings } from "./Findings.ts"
import type { File } from "./Repository.ts"
import { isNode, lineAt, parse, walk } from "./Source.ts"

/** A text that may not occur, and what to do instead. */
interface Unwanted {
  readonly pattern: RegExp
  readonly why: string
  /** Everywhere if left out. */
  readonly where?: RegExp
}

const unwanted: ReadonlyArray<Unwanted> = [
  {
    // A path in an image is the same everywhere.
    pattern: /(?<![\w.$}])(?<!\bcontainer: .*)\/(?:root|home|tmp|work|Users)\/[A-Za-z]/,
    why: "a path of one machine: start from import.meta.dirname, os.tmpdir() or a setting"
  },
  {
    pattern: /\b(?:registry\.(?:npmjs|yarnpkg)|repo1?\.maven|proxy\.golang|files\.pythonhosted|deb\.debian)\.(?:org|com)\b/,
    why: "the host of a package registry: whoever installs has a registry of their own"
  },
  {
    pattern: /"resolved": "http|\btarball: ?http/,
    why: "a download address in a lock file: make the lock file again with the repository's .npmrc, which leaves them out",
    where: /(?:^|\/)(?:package-lock\.json|pnpm-lock\.yaml)$/
  },
  {
    pattern: /\b(?:TODO|FIXME)\b/,
    why: "postponed work belongs into an issue",
    where: /\.(?:ts|mjs|yml|yaml|sql|java|sh)$/
  }
]

/** What the file itself speaks of, in its rules and samples. */
const exempt = /^infra\/toolchain\/(?:check\/files\.ts|test\/files\.test\.ts)$/

const limit = 300
/** A list of cases is read one by one. */
const testLimit = 400

const length = ({ path, text }: File): string | undefined => {
  const most = /\/test\//.test(path) ? testLimit : limit
  const lines = text.split("\n").length - 1
  return lines > most && /\.(?:ts|tsx|mjs)$/.test(path)
    ? `${path} has ${lines} lines, more than ${most}: it is more than one thing; split it where one would look for the second`
    : undefined
}

/** `any` is oxlint's to find. */
const casts = (file: File): ReadonlyArray<string> => {
  const found: Array<string> = []
  if (!/^(?:domain|packages|services)\/(?:.*\/)?src\/.*\.ts$/.test(file.path)) return found
  walk(parse(file), (node) => {
    const type = node.type === "TSAsExpression" ? node["typeAnnotation"] : undefined
    if (!isNode(type) || type.type !== "TSNeverKeyword") return
    const where = `${file.path}:${lineAt(file.text, node.start)}`
    found.push(`${where} "as never": a cast that hides a type which could be right: give the value its type, or decode it`)
  })
  return found
}

export const check = (files: ReadonlyArray<File>): Findings => ({
  problems: files.filter(({ path }) => !exempt.test(path)).flatMap((file) => {
    const rules = unwanted.filter(({ where }) => where === undefined || where.test(file.path))
    const found = file.text.split("\n").flatMap((line, index) =>
      rules.flatMap(({ pattern, why }) => {
        const match = pattern.exec(line)
        return match === null ? [] : [`${file.path}:${index + 1} "${match[0]}": ${why}`]
      })
    )
    const tooLong = length(file)
    return [...(tooLong === undefined ? [] : [tooLong]), ...found, ...casts(file)]
  })
})
