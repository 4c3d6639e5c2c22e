import { assert, it } from "@effect/vitest"
import { Effect, FileSystem, Option } from "effect"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { spawn } from "node:child_process"
import { once } from "node:events"
import * as Start from "../../../infra/toolchain/embedded/start.mjs"
import * as Running from "../src/Running.ts"
import { productId } from "../src/Seed/Data.ts"
import { eventually } from "./purchase/Shopping.ts"

const words = Start.words(process.execPath, () => {})

/** What `npm start` runs, in a folder of its own; `stop` is Ctrl-C and gives the status. */
const marketplace = Effect.gen(function*() {
  const files = yield* FileSystem.FileSystem
  const directory = yield* files.makeTempDirectoryScoped({ prefix: "marketplace-bundle-" })
  // as root, PostgreSQL runs as another user, who has to reach its data
  yield* files.chmod(directory, 0o755)
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, words, {
        cwd: directory,
        stdio: ["ignore", "ignore", "inherit", "ipc"],
        env: { ...process.env, MARKETPLACE_DATA: directory, MARKETPLACE_PRODUCTS: "3", PORT: String(29_000 + process.pid % 1_000), LOG_LEVEL: "Error" }
      })
    ),
    (started) => Effect.sync(() => started.kill("SIGKILL"))
  )
  const found = yield* eventually(Running.find(directory), (running) => Option.isSome(running) || child.exitCode !== null, "60 seconds")
  const { gatewayUrl } = yield* Effect.fromOption(found)
  return {
    get: (path: string) => Effect.promise(async () => {
      const answer = await fetch(`${gatewayUrl}${path}`)
      return { status: answer.status, text: await answer.text() }
    }),
    stop: Effect.promise(async () => {
      const exit = once(child, "exit")
      child.kill("SIGINT")
      const [status] = await exit
      return status
    })
  }
})

it.live("the marketplace runs from its bundle", () =>
  Effect.gen(function*() {
    assert.match(words.at(-1) ?? "", /dist.marketplace.main-[0-9a-f]{16}\.mjs$/)
    const { get, stop } = yield* marketplace
    assert.strictEqual((yield* get("/health/ready")).status, 200)
    const product = yield* get(`/v1/products/${productId(2)}`)
    assert.strictEqual(product.status, 200, product.text)
    assert.include(product.text, "Wooden plate")
    const page = yield* get("/docs")
    assert.strictEqual(page.status, 200)
    assert.include(page.text, "orders.place")
    // what is not ASCII went through an escape
    const [problem, missing] = [yield* get("/problems/route-not-found"), yield* get("/v1/none")]
    assert.include(problem.text, "이 경로에는 아무것도 없습니다")
    assert.strictEqual(missing.status, 404)
    assert.strictEqual(yield* stop, 0)
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)), 120_000)
