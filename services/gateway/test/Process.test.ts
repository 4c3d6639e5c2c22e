import { assert, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { ServiceName } from "@marketplace/schema/Access"
import * as Server from "@marketplace/service/Server"
import { generateKeys } from "@marketplace/service/Tokens/Keys"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"

const entry = fileURLToPath(new URL("../src/main.ts", import.meta.url))

/** Keys of all services, as a deployment hands them out. */
const keys = Effect.gen(function*() {
  const pairs = yield* Effect.forEach(ServiceName.literals, (name) => Effect.map(generateKeys, (pair) => ({ name, ...pair })))
  return {
    SERVICE_JWKS: JSON.stringify({ keys: pairs.map(({ name, publicJwk }) => ({ ...publicJwk, kid: name })) }),
    SERVICE_PRIVATE_KEY: Redacted.value(pairs.find(({ name }) => name === "gateway")!.privatePem)
  }
})

it.live("a gateway of its own process starts before the services, says that it is not ready, and stops when asked to", () =>
  Effect.gen(function*() {
    const away = "http://127.0.0.1:9"
    const child = spawn(process.execPath, [entry], {
      stdio: ["ignore", "pipe", "inherit"],
      env: {
        ...process.env,
        ...(yield* keys),
        PORT: String(yield* Server.nextFreePort("127.0.0.1", 18_400)),
        LOG_FORMAT: "json",
        USER_URL: away,
        PRODUCT_URL: away,
        ORDER_URL: away,
        PAYMENT_URL: away,
        TOKEN_KEYS_URL: `${away}/.well-known/jwks.json`
      }
    })
    yield* Effect.addFinalizer(() => Effect.sync(() => child.kill("SIGKILL")))
    let log = ""
    const url = yield* Effect.callback<string>((resume) => {
      child.stdout.on("data", (chunk: Buffer) => {
        log += chunk.toString()
        const [, found] = /listens on (http:\/\/127\.0\.0\.1:\d+)/.exec(log) ?? []
        if (found !== undefined) resume(Effect.succeed(found))
      })
      child.once("exit", () => resume(Effect.die(new Error(log))))
    })
    const get = (path: string, headers = {}) => Effect.promise(async () => {
      const response = await fetch(url + path, { headers })
      const body: any = await response.json()
      return [response.status, body] as const
    })

    assert.deepStrictEqual(yield* get("/health/live"), [200, { live: true }])
    assert.deepStrictEqual(yield* get("/health/ready"), [503, { ready: false, checks: { revocations: "down" } }])
    assert.strictEqual((yield* get("/openapi.json"))[1].openapi, "3.1.0")
    const [status, problem] = yield* get("/v1/products")
    assert.deepStrictEqual([status, problem.type], [503, "/problems/unavailable"])
    // Whether a token is good cannot be found out without its keys.
    const token = `${btoa("{\"alg\":\"EdDSA\",\"kid\":\"k\"}")}.${btoa("{}")}.AA`
    assert.strictEqual((yield* get("/v1/orders", { authorization: `Bearer ${token}` }))[0], 503)

    const ended = once(child, "exit")
    child.kill("SIGTERM")
    assert.deepStrictEqual(yield* Effect.promise(() => ended), [0, null])
  }).pipe(Effect.scoped))
