// How the embedded marketplace is started, for whoever starts it. Plain ESM without dependencies: run.mjs runs on any Node from 20 up.
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const here = dirname(fileURLToPath(import.meta.url))
const repository = join(here, "..", "..", "..")

export const entry = "services/marketplace/src/main.ts"

// Some 35 MiB of the heap live. Left alone, V8 lets it grow to a multiple of that; collecting at twice as much
// costs a few percent of CPU at most (docs/performance.md). Neither is a limit: who needs more gets it.
const flags = ["--max-semi-space-size=8", "--heap-growing-percent=100"]

// V8's flags come and go: a Node that does not know these runs without.
const flagsFor = (node) => spawnSync(node, [...flags, "--version"], { stdio: "ignore" }).status === 0 ? flags : []

const sourcesOf = (root) => {
  const below = (folder) => readdirSync(join(root, folder)).map((name) => join(folder, name, "src"))
  return ["domain/src", ...below("packages"), ...below("services")]
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) => readdirSync(join(root, folder), { recursive: true }).map((name) => join(folder, name)))
    .filter((name) => name.endsWith(".ts"))
    .sort()
}

const makers = ["pnpm-lock.yaml", "infra/toolchain/bundle.ts", "infra/toolchain/embedded/bundle.ts"]

/** Changes with what the bundle is made of and how. Takes some ten milliseconds. */
const digest = (root) => {
  const hash = createHash("sha256")
  for (const name of [...sourcesOf(root), ...makers.filter((name) => existsSync(join(root, name)))]) {
    hash.update(`${name}\0`).update(readFileSync(join(root, name))).update("\0")
  }
  return hash.digest("hex").slice(0, 16)
}

/** See start.d.mts. */
export const bundled = ({ build, root, say }) => {
  const folder = join(root, "dist", "marketplace")
  const name = `main-${digest(root)}.mjs`
  const file = join(folder, name)
  if (existsSync(file)) return file
  say("bundling the marketplace, whose sources are new")
  const draft = `${file}.${process.pid}`
  try {
    mkdirSync(folder, { recursive: true })
    build(draft)
    renameSync(draft, file)
    for (const old of readdirSync(folder)) if (!old.startsWith(name)) rmSync(join(folder, old), { force: true })
  } catch (error) {
    rmSync(draft, { force: true })
    // Somebody else's came first: Windows does not replace a file that is being read.
    if (existsSync(file)) return file
    say(`it runs from its sources, because it cannot be bundled: ${error.message}`)
    return undefined
  }
  return file
}

/** rolldown has a part of its own for each platform, and may lack one for this. */
const build = (node) => (file) => {
  const { error, status, stderr } = spawnSync(node, [join(here, "bundle.ts"), file], { encoding: "utf8", stdio: ["ignore", "inherit", "pipe"] })
  if (error) throw error
  if (status !== 0) throw new Error(stderr.split("\n").find((line) => /Error/.test(line)) ?? `status ${status}`)
}

export const words = (node, say) => [...flagsFor(node), bundled({ root: repository, say, build: build(node) }) ?? join(repository, entry)]
