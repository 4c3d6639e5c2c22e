/**
 * Bundles services, each into one file that runs without `node_modules`: `node infra/toolchain/bundle.ts [names…]`, all of
 * them without a name. Writes `dist/<name>/main.mjs`.
 */
import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { parseArgs } from "node:util"
import { build, type Plugin } from "rolldown"

const root = join(import.meta.dirname, "..", "..")

/** What can be run, and where it begins. */
export const entries: Readonly<Record<string, string>> = {
  user: "services/user/src/main.ts",
  product: "services/product/src/main.ts",
  order: "services/order/src/main.ts",
  payment: "services/payment/src/main.ts",
  gateway: "services/gateway/src/main.ts",
  simulator: "services/simulator/src/main.ts",
  migrate: "services/marketplace/src/migrate.ts"
}

/**
 * V8 keeps the text of what it runs: one letter outside of ASCII, and every letter takes two bytes. The escape is the same
 * text everywhere but in the raw text of a template, which nobody asks for.
 */
const inAscii = (code: string): string => code.replaceAll(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)

/** Bundles what begins at `entry` into `file`. Dependencies written as CommonJS get a `require` of Node's own modules. */
export const bundle = async (entry: string, file: string, plugins: Array<Plugin> = []): Promise<void> => {
  const { output: [{ code }] } = await build({
    input: join(root, entry),
    plugins,
    platform: "node",
    write: false,
    output: { format: "esm", charset: "ascii", codeSplitting: false, comments: { legal: true, jsdoc: false, annotation: false } },
    logLevel: "warn"
  })
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, inAscii(code))
}

if (import.meta.main) {
  const { positionals } = parseArgs({ allowPositionals: true })
  const unknown = positionals.filter((name) => entries[name] === undefined)
  if (unknown.length > 0) {
    console.error(`there is no ${unknown.join(", ")}; there are ${Object.keys(entries).join(", ")}`)
    process.exit(2)
  }
  for (const [name, entry] of Object.entries(entries)) {
    const asked = positionals.length === 0 ? existsSync(join(root, entry)) : positionals.includes(name)
    if (!asked) continue
    const file = join(root, "dist", name, "main.mjs")
    await bundle(entry, file)
    console.log(`dist/${name}/main.mjs  ${(statSync(file).size / 1024 / 1024).toFixed(1)} MB`)
  }
}
