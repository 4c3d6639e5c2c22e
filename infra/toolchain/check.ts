/**
 * Everything about the sources that can be known without running them: `node marketplace.mjs check [names…]`. Tells for each
 * check how long it took and, in a line each, what is wrong; status 1 if anything is.
 */
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { join, relative, sep } from "node:path"
import { parseArgs } from "node:util"
import * as Compose from "./check/compose.ts"
import * as Dockerfile from "./check/dockerfile.ts"
import * as Files from "./check/files.ts"
import type { Findings } from "./check/Findings.ts"
import * as Imports from "./check/imports.ts"
import * as Observability from "./check/observability.ts"
import * as Repository from "./check/Repository.ts"
import * as Workflows from "./check/workflows.ts"

const root = join(import.meta.dirname, "..", "..")
const files = Repository.files(root)

const run = (script: string, ...args: ReadonlyArray<string>) =>
  new Promise<{ readonly ok: boolean; readonly output: string }>((resolve, reject) => {
    const child = spawn(process.execPath, [join(root, script), ...args], { cwd: root, stdio: ["ignore", "pipe", "pipe"] })
    let output = ""
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text: string) => output += text)
    child.once("error", reject)
    child.once("close", (code) => resolve({ ok: code === 0, output }))
  })

/** A tool that prints a problem a line; what is indented below explains it, and is left to the tool itself. */
const tool = async (script: string, ...args: ReadonlyArray<string>): Promise<Findings> => {
  const { ok, output } = await run(script, ...args)
  return { problems: ok ? [] : output.split("\n").filter((line) => /^\S/.test(line) && !/^\d+ problems?$/.test(line)) }
}

interface Diagnostic {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly severity: "error" | "warning" | "message"
  readonly name: string
  readonly message: string
}

/** A test that shows what does not compile says so to TypeScript only. */
const isExpected = ({ file, line }: Diagnostic) => {
  const path = relative(root, file).split(sep).join("/")
  return files.find((one) => one.path === path)?.text.split("\n")[line - 2]?.includes("@ts-expect-error") ?? false
}

/** Effect's own diagnostics. Messages are advice for editors. */
const effect = async (): Promise<Findings> => {
  const words = ["diagnostics", "--project", "tsconfig.json", "--format", "json"]
  const { ok, output } = await run("node_modules/@effect/tsgo/dist/effect-tsgo.cjs", ...words)
  if (!output.startsWith("{")) return { problems: ok ? [] : [output] }
  const { diagnostics }: { readonly diagnostics: ReadonlyArray<Diagnostic> } = JSON.parse(output)
  const told = (severity: Diagnostic["severity"]) =>
    diagnostics.filter((one) => one.severity === severity && !isExpected(one)).map(({ column, file, line, message, name }) =>
      `${relative(root, file)}:${line}:${column} ${message.split("\n")[0]} [${name}]`)
  return { problems: told("error"), notes: told("warning") }
}

const generated = async (): Promise<Findings> =>
  existsSync(join(root, "infra/toolchain/generate.ts"))
    ? tool("infra/toolchain/generate.ts", "--check")
    : { problems: ["infra/toolchain/generate.ts is not there"] }

const checks: Readonly<Record<string, () => Findings | Promise<Findings>>> = {
  types: () => tool("node_modules/typescript/bin/tsc", "--noEmit", "--pretty", "false", "-p", "tsconfig.json"),
  effect,
  lint: () => tool("node_modules/oxlint/bin/oxlint", "--format", "unix"),
  imports: () => Imports.check(files),
  files: () => Files.check(files),
  workflows: () => Workflows.check(files),
  dockerfile: () => Dockerfile.check(files),
  compose: () => Compose.check(files),
  observability: () => Observability.check(files),
  generated
}

/** Of one check: who has more to mend sees the rest afterwards. */
const most = 40

const { positionals: asked } = parseArgs({ allowPositionals: true })
const unknown = asked.filter((name) => !Object.hasOwn(checks, name))
if (unknown.length > 0) {
  console.error(`there is no check ${unknown.join(", ")}; there are ${Object.keys(checks).join(", ")}`)
  process.exit(2)
}
for (const [name, check] of Object.entries(checks).filter(([name]) => asked.length === 0 || asked.includes(name))) {
  const since = performance.now()
  const { notes = [], problems } = await check()
  const seconds = ((performance.now() - since) / 1000).toFixed(1)
  console.log(`${problems.length === 0 ? "ok  " : "FAIL"} ${name.padEnd(14)} ${seconds.padStart(5)} s`)
  for (const problem of problems.slice(0, most)) console.log(`     ${problem}`)
  if (problems.length > most) console.log(`     … and ${problems.length - most} more`)
  for (const note of notes) console.log(`     (warning) ${note}`)
  if (problems.length > 0) process.exitCode = 1
}
