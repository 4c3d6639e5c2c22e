import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { bundle, entries } from "../bundle.ts"
import { settingsOf } from "../check/settings.ts"
import { files } from "./repository.ts"

let folder = ""
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "marketplace-bundle-"))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Runs in a folder of its own, where no `node_modules` can help. */
const run = (file: string, env: Record<string, string>) =>
  new Promise<{ readonly status: number | null; readonly output: string }>((resolve, reject) => {
    const child = spawn(process.execPath, [file], { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"], timeout: 20_000, killSignal: "SIGKILL" })
    let output = ""
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => output += data)
    child.once("error", reject)
    child.once("close", (status) => resolve({ status, output }))
  })

describe("a bundle", () => {
  // Kafka's, MongoDB's and Redis's clients are CommonJS and load when the bundle does.
  it.for(["user", "product", "order", "payment", "gateway", "simulator"])("of %s runs alone and says which setting is missing", async (name) => {
    const entry = entries[name] ?? name
    const file = join(folder, name, "main.mjs")
    await bundle(entry, file)
    assert.deepStrictEqual(readdirSync(join(folder, name)), ["main.mjs"])
    const { output, status } = await run(file, { LOG_FORMAT: "json" })
    assert.strictEqual(status, 1, output)
    assert.isTrue([...settingsOf(files, entry).required].some((setting) => output.includes(setting)), output)
    assert.notMatch(output, /ERR_MODULE_NOT_FOUND|Cannot find (?:module|package)/)
  })
})
