/**
 * Bundles services, each into one file that runs without `node_modules`: `node infra/toolchain/bundle.ts [names…]`, all of
 * them without a name. Writes `dist/<name>/main.mjs`.
 */
import { existsSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { build } from "rolldown"

const root = join(import.meta.dirname, "..", "..")

/** What can be run, and where it begins. */
const entries: Readonly<Record<string, string>> = {
  user: "services/user/src/main.ts",
  product: "services/product/src/main.ts",
  order: "services/order/src/main.ts",
  payment: "services/payment/src/main.ts",
  gateway: "services/gateway/src/main.ts",
  simulator: "services/simulator/src/main.ts",
  migrate: "services/marketplace/src/migrate.ts"
}

const bundle = async (name: string, entry: string) => {
  const folder = join(root, "dist", name)
  rmSync(folder, { recursive: true, force: true })
  await build({
    input: join(root, entry),
    platform: "node",
    output: { file: join(folder, "main.mjs"), format: "esm", codeSplitting: false, comments: { legal: true, jsdoc: false, annotation: false } },
    logLevel: "warn"
  })
  const size = statSync(join(folder, "main.mjs")).size
  console.log(`dist/${name}/main.mjs  ${(size / 1024 / 1024).toFixed(1)} MB`)
}

const { positionals } = parseArgs({ allowPositionals: true })
const unknown = positionals.filter((name) => entries[name] === undefined)
if (unknown.length > 0) {
  console.error(`there is no ${unknown.join(", ")}; there are ${Object.keys(entries).join(", ")}`)
  process.exit(2)
}
for (const [name, entry] of Object.entries(entries)) {
  const asked = positionals.length === 0 ? existsSync(join(root, entry)) : positionals.includes(name)
  if (asked) await bundle(name, entry)
}
