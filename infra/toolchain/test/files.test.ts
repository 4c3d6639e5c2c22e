import { assert, describe, it } from "@effect/vitest"
import { check } from "../check/files.ts"

const says = (path: string, text: string) => check([{ path, text }]).problems

describe("files", () => {
  it.for([
    ["infra/a.ts", `const cache = "/root/cache"`, /infra\/a\.ts:1 "\/root\/c": a path of one machine/],
    ["docs/a.md", "first\nsee /home/me/x", /docs\/a\.md:2 /],
    ["infra/a.ts", "const file = `/tmp/log`", /a path of one machine/],
    [".npmrc", "registry=https://registry.npmjs.org/", /the host of a package registry/],
    ["infra/toolchain/package-lock.json", `"resolved": "https://example.org/a.tgz"`, /a download address/],
    ["pnpm-lock.yaml", "resolution: {tarball: https://example.org/a.tgz}", /a download address/],
    ["services/order/src/Orders.ts", "const x = y as never", /a cast that hides a type/],
    ["domain/src/Money.ts", "// TODO round", /postponed work/],
    ["packages/events/src/Relay.ts", "\n".repeat(301), /has 301 lines, more than 300/],
    ["packages/events/test/Relay.test.ts", "\n".repeat(401), /has 401 lines, more than 400/]
  ] as const)("%s: %s", ([path, text, problem]) => {
    const found = says(path, text)
    assert.strictEqual(found.length, 1, found.join("\n"))
    assert.match(found[0] ?? "", problem)
  })

  it.for([
    ["infra/a.ts", "const url = `${base}/tmp/log`"],
    ["infra/a.ts", `const path = "src/home/Page.ts"`],
    ["infra/a.ts", `container: { image: "a:1", env: { DATA: "/tmp/a" } }`],
    ["docs/a.md", "GET https://api.example.org/home/page"],
    ["package.json", `"resolved": "https://example.org"`],
    ["services/order/test/Orders.test.ts", "const x = y as never"],
    ["services/order/src/Orders.ts", "// as never before"],
    ["packages/events/test/Relay.test.ts", "\n".repeat(400)]
  ] as const)("%s may hold %s", ([path, text]) => assert.deepStrictEqual(says(path, text), []))
})
