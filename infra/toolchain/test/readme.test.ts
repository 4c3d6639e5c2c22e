import { spawnSync } from "node:child_process"
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll, assert, describe, it } from "vitest"
import { blocks, fences, PageFailed } from "../readme.ts"

const root = join(import.meta.dirname, "..", "..", "..")
const read = (path: string) => readFileSync(join(root, path), "utf8")

const folder = mkdtempSync(join(tmpdir(), "readme-test-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const block = (mark: string, ...code: ReadonlyArray<string>) => [`<!-- ci: ${mark} -->`, "```bash", ...code, "```", ""].join("\n")

/** Runs a page as CI does. */
const run = (page: string) => {
  const path = join(folder, "page.md")
  writeFileSync(path, page)
  const command = [join(root, "infra/toolchain/readme.ts"), path]
  const { status, stderr, stdout } = spawnSync(process.execPath, command, { encoding: "utf8", timeout: 20_000 })
  return { status, stdout, told: stderr.split("\n").filter((line) => line.startsWith("page.md:")) }
}

describe("the blocks of a page", () => {
  it("are known with their kind and line", () => {
    const page = [
      `# Page\n\n${block("start", "npm start")}\ntext\n\n`,
      block("running", "npm run demo"),
      block("docker", "docker ps"),
      "```text\nnot run\n```\n"
    ].join("")
    assert.deepStrictEqual(blocks(page), [
      { kind: "start", needsDocker: false, line: 4, code: "npm start\n" },
      { kind: "running", needsDocker: false, line: 11, code: "npm run demo\n" },
      { kind: "alone", needsDocker: true, line: 15, code: "docker ps\n" }
    ])
  })

  it("are refused when nobody says how they are meant", () => {
    const refused = (page: string, line: number, reason: RegExp) => {
      try {
        blocks(page)
      } catch (error) {
        assert.instanceOf(error, PageFailed)
        assert.deepStrictEqual([error.line, reason.test(error.message)], [line, true], error.message)
        return
      }
      assert.fail("it was taken")
    }
    refused("# Page\n\n```bash\nnpm test\n```\n", 3, /no comment/)
    refused(block("sometimes", "npm test"), 2, /no comment/)
    refused(block("running", "npm run demo"), 2, /starts a marketplace/)
    refused("```sh\nnpm test\n```\n", 1, /only bash/)
  })
})

// The commands are for bash.
describe.skipIf(process.platform === "win32")("a page", () => {
  it("is run in its order; what runs against the same marketplace shares a shell, and it is stopped at the end", () => {
    const { status, stdout, told } = run([
      block("alone", "SHARED=no", "echo alone"),
      block(
        "start",
        "mkdir \"$MARKETPLACE_DATA\"",
        "trap 'echo stopped; exit 0' INT",
        "printf '{ \"gatewayUrl\": \"http://127.0.0.1:8080\", \"pid\": %s }' $$ > \"$MARKETPLACE_DATA/running.json\"",
        "while true; do sleep 0.1; done"
      ),
      block("running", "echo \"${SHARED-nothing} of alone\"", "SHARED=$MARKETPLACE_URL"),
      block("running", "echo \"$SHARED\"")
    ].join("\n"))
    assert.strictEqual(status, 0)
    assert.deepStrictEqual(stdout.trim().split("\n"), ["alone", "nothing of alone", "http://127.0.0.1:8080", "stopped"])
    assert.deepStrictEqual(told, ["page.md:2: runs", "page.md:8: runs", "page.md:16: runs", "page.md:22: runs"])
  })

  it("ends with the line of the first block that fails, be it in a pipe or by a name that is not set", () => {
    const failing = (code: string) => run([block("alone", "true"), block("alone", code), block("alone", "echo on")].join("\n"))
    for (const code of ["false | true", "echo \"$NOT_SET_ANYWHERE\"", "exit 3"]) {
      const { status, stdout, told } = failing(code)
      assert.deepStrictEqual([status, stdout], [1, ""])
      assert.match(told.at(-1) ?? "", /^page\.md:7: failed with [13]$/)
    }
  })

  it("fails when what it starts ends before it can be talked to", () => {
    const { status, told } = run([block("start", "exit 1"), block("running", "echo on")].join("\n"))
    assert.deepStrictEqual([status, told.at(-1)], [1, "page.md:2: ended with 1 before anybody could talk to it"])
  })
})

describe("the documentation", () => {
  const pages = ["README.md", "README.ko.md", "CONTRIBUTING.md", "AGENTS.md", ...globSync("docs/**/*.md", { cwd: root })]
  const manifests = [
    ...["package.json", "infra/toolchain/package.json"],
    ...globSync("{domain,packages/*,services/*}/package.json", { cwd: root })
  ].map((path) => JSON.parse(read(path)))

  const everywhere = (pattern: RegExp) =>
    pages.flatMap((page) => [...read(page).matchAll(pattern)].map(([, name = ""]) => ({ page, name })))

  it("has the same blocks in English and Korean", () => {
    const ofPage = (page: string) => fences(read(page)).map(({ line: _, ...fence }) => fence)
    assert.isAbove(blocks(read("README.md")).length, 5)
    assert.deepStrictEqual(ofPage("README.ko.md"), ofPage("README.md"))
  })

  it("links to what is there", () => {
    const links = everywhere(/\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)/g)
    assert.isAbove(links.length, 50)
    assert.deepStrictEqual(links.filter(({ name, page }) => !existsSync(join(root, dirname(page), name))), [])
  })

  it("names only goals and files that are there", () => {
    const scripts = new Set([...Object.keys(manifests[0].scripts), "install"])
    const goals = new Set([...scripts, "node", "pnpm", "help"])
    const wrong = [
      ...everywhere(/(?:^|`)npm (?:run )?([a-z:]+)/gm).filter(({ name }) => !scripts.has(name)),
      ...everywhere(/marketplace\.mjs ([a-z:]+)/g).filter(({ name }) => !goals.has(name)),
      ...everywhere(/[` ]((?:domain|packages|services|infra|docs)\/[\w./-]+)`/g)
        .filter(({ name }) => !existsSync(join(root, name)))
    ]
    assert.deepStrictEqual(wrong, [])
  })

  it("has a line for every dependency, at its version, and for no other", () => {
    const catalog = new Map(
      [...read("pnpm-workspace.yaml").matchAll(/^ {2}"?(@?[\w/-]+)"?: (\d\S*)$/gm)].map(([, name, version]) => [name, version])
    )
    const installed = manifests.flatMap((manifest) =>
      Object.entries<string>({ ...manifest.dependencies, ...manifest.optionalDependencies, ...manifest.devDependencies })
        .filter(([, version]) => !version.startsWith("workspace:"))
        .map(([name, version]) => `${name} ${version === "catalog:" ? catalog.get(name) : version}`))
    const rows = read("docs/dependencies.md").matchAll(/^\| (`[^|]+`) \| ([\d.]+[\w.-]*)/gm)
    const listed = [...rows].flatMap(([, names = "", version]) => [...names.matchAll(/`([^`]+)`/g)].map(([, name]) => `${name} ${version}`))
    assert.deepStrictEqual(listed.sort(), [...new Set(installed)].sort())
  })
})
