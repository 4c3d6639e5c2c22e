import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { bundled } from "../embedded/start.mjs"

let root = ""
let said: Array<string> = []
let built = 0

const write = (path: string, text: string) => {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "marketplace-embedded-"))
  said = []
  built = 0
  write("pnpm-lock.yaml", "lockfileVersion: 9")
  write("domain/src/Money.ts", "export const money = 1")
  write("packages/events/src/Outbox.ts", "export const outbox = 1")
  write("packages/events/test/Outbox.test.ts", "outbox")
  write("services/order/src/Orders/Repository.ts", "export const orders = 1")
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const start = (build = (file: string) => writeFileSync(file, `// ${++built}`)) =>
  bundled({ root, build, say: (line) => said.push(line) })

const there = () => readdirSync(join(root, "dist", "marketplace"))

describe("the bundle of the embedded marketplace", () => {
  it("is made once for the same sources, whenever they were written, and says so", () => {
    const first = start() ?? ""
    utimesSync(join(root, "domain/src/Money.ts"), 0, 0)
    write("packages/events/test/Outbox.test.ts", "other")
    assert.strictEqual(start(), first)
    assert.strictEqual(readFileSync(first, "utf8"), "// 1")
    assert.strictEqual(said.length, 1)
  })

  it.for<[string, () => void]>([
    ["a source changed", () => write("services/order/src/Orders/Repository.ts", "export const orders = 2")],
    ["a source was added", () => write("domain/src/Price.ts", "")],
    ["a source was moved", () => renameSync(join(root, "domain/src/Money.ts"), join(root, "domain/src/Sum.ts"))],
    ["other dependencies are locked", () => write("pnpm-lock.yaml", "lockfileVersion: 10")],
    ["it is made in another way", () => write("infra/toolchain/bundle.ts", "")]
  ])("is made again when %s, and the old one goes", ([, change]) => {
    const first = start()
    change()
    const second = start() ?? ""
    assert.notStrictEqual(second, first)
    assert.strictEqual(readFileSync(second, "utf8"), "// 2")
    assert.deepStrictEqual(there().map((name) => join(root, "dist", "marketplace", name)), [second])
  })

  it("appears when it is complete, and whoever comes second takes the first one's", () => {
    const second = start((draft) => {
      assert.deepStrictEqual(there(), [])
      const first = start() ?? ""
      writeFileSync(draft, "// half")
      rmSync(draft)
      assert.deepStrictEqual(there().map((name) => join(root, "dist", "marketplace", name)), [first])
    })
    assert.strictEqual(readFileSync(second ?? "", "utf8"), "// 1")
  })

  it("is done without where it cannot be made", () => {
    assert.isUndefined(start(() => {
      throw new Error("no native binding")
    }))
    assert.include(said.at(-1), "runs from its sources, because it cannot be bundled: no native binding")
    assert.deepStrictEqual(there(), [])
  })

})
