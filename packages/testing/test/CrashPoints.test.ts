import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as CrashPoints from "../src/CrashPoints.ts"

const program = fileURLToPath(new URL("CrashPoints/program.ts", import.meta.url))

const run = async (environment: Readonly<Record<string, string>>) => {
  const child = spawn(process.execPath, [program], { env: { ...process.env, ...environment }, stdio: ["ignore", "pipe", "inherit"] })
  let printed = ""
  child.stdout.on("data", (chunk) => printed += String(chunk))
  const [code, signal] = await once(child, "close")
  return { end: signal ?? code, lines: printed.split("\n").filter((line) => /^(passed|clock)/.test(line)) }
}

const withFolder = async (use: (orders: CrashPoints.Orders) => Promise<void>) => {
  const folder = mkdtempSync(join(tmpdir(), "crash-points-"))
  try {
    await use(CrashPoints.open(folder))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe.skipIf(process.platform === "win32")("CrashPoints", () => {
  it("a process dies at the pass that it was told, once", () => withFolder(async (orders) => {
    const id = orders.arm("checkout.placed", 2)
    assert.isFalse(orders.struck(id))
    const died = await run({ MARKETPLACE_FAULTS: orders.folder, PASSES: "3" })
    assert.deepStrictEqual(died, { end: "SIGKILL", lines: ["passed 1"] })
    assert.isTrue(orders.struck(id))
    const next = await run({ MARKETPLACE_FAULTS: orders.folder, PASSES: "3" })
    assert.deepStrictEqual([next.end, next.lines.length], [0, 4])
  }))

  it("nobody dies at another point, or when the order is taken back", () => withFolder(async (orders) => {
    const id = orders.arm("payment.claimed", 1)
    assert.strictEqual((await run({ MARKETPLACE_FAULTS: orders.folder, PASSES: "1" })).end, 0)
    orders.arm("checkout.placed", 1)
    orders.disarm()
    assert.strictEqual((await run({ MARKETPLACE_FAULTS: orders.folder, PASSES: "1" })).end, 0)
    assert.isFalse(orders.struck(id))
  }))

  it("without the setting nothing happens, and the clock is right", async () => {
    const before = Date.now()
    const { end, lines } = await run({ PASSES: "1" })
    assert.strictEqual(end, 0)
    const clock = Number(lines[1]?.split(" ")[1])
    assert.isTrue(clock >= before && clock <= Date.now())
  })

  it("a clock is as wrong as it was told, and the run sees that it was looked at", () => withFolder(async (orders) => {
    orders.setClock(3_600_000)
    assert.isFalse(orders.clockSeen(3_600_000))
    const before = Date.now()
    const { lines } = await run({ MARKETPLACE_FAULTS: orders.folder, PASSES: "0" })
    const clock = Number(lines[0]?.split(" ")[1])
    assert.isTrue(clock >= before + 3_600_000 && clock <= Date.now() + 3_600_000)
    assert.isTrue(orders.clockSeen(3_600_000))
  }))
})
