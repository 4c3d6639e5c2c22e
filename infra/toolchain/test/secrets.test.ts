import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Schema } from "effect"
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { parseEnv } from "node:util"
import * as RolePasswords from "../../../packages/postgres/src/RolePasswords.ts"
import { ServiceName } from "../../../packages/schema/src/Access.ts"
import { JwkSet, readSigningKey } from "../../../packages/service/src/Tokens/Keys.ts"
import { ServiceTokens } from "../../../packages/service/src/Tokens/ServiceTokens.ts"
import { complete, write } from "../../docker/env.ts"
import { root, textOf } from "./repository.ts"

const made = complete({})
const valueOf = (name: string) => Redacted.make(made[name] ?? "")

describe("the secrets of the compose file", () => {
  it("are those that .env.example explains", () => {
    assert.sameMembers(Object.keys(made), Array.from(textOf(".env.example").matchAll(/^(\w+)=/gm), (match) => match[1]))
  })

  it("come back from .env as they were", () => assert.deepStrictEqual({ ...parseEnv(write(made)) }, made))

  it("stay when they are there", () => {
    assert.deepStrictEqual(complete(made), made)
    const { CURSOR_KEY: _, ...rest } = made
    const again = complete(rest)
    assert.notStrictEqual(again["CURSOR_KEY"], made["CURSOR_KEY"])
    assert.deepStrictEqual({ ...again, CURSOR_KEY: "" }, { ...made, CURSOR_KEY: "" })
  })

  it("let each role log in", () => {
    const derived = (role: string) => Redacted.value(RolePasswords.derive(valueOf("DATABASE_ROLE_SECRET"), role))
    assert.strictEqual(made["ORDER_DATABASE_PASSWORD"], derived("order_service"))
    assert.strictEqual(made["SIMULATOR_DATABASE_PASSWORD"], derived("simulator"))
  })

  it.effect("let each service sign as itself and be believed", () =>
    Effect.gen(function*() {
      const keySet = yield* Schema.decodeEffect(Schema.fromJsonString(JwkSet))(made["SERVICE_JWKS"] ?? "")
      const tokensOf = (name: ServiceName) =>
        Effect.provide(Effect.service(ServiceTokens), ServiceTokens.layer({ name, privatePem: valueOf(`${name.toUpperCase()}_SERVICE_PRIVATE_KEY`), keySet }))
      for (const name of ServiceName.literals) {
        const token = yield* (yield* tokensOf(name)).issue("order")
        assert.strictEqual(yield* (yield* tokensOf("order")).verify(token, "order"), name)
      }
      yield* readSigningKey("TOKEN_PRIVATE_KEY", valueOf("TOKEN_PRIVATE_KEY"))
    }))
})

describe("an image", () => {
  const start = (env: Record<string, string>) =>
    spawnSync(process.execPath, ["--import", join(root, "infra/docker/guard.mjs"), "--eval", "console.log('started')"], { env, encoding: "utf8" })

  it("refuses development's secrets, each of them, and names them without showing them", () => {
    for (const [name, value] of Object.entries(made).filter(([name]) => !/^SERVICE_JWKS$|_DATABASE_PASSWORD$/.test(name))) {
      const { status, stderr, stdout } = start({ [name]: value })
      assert.deepStrictEqual([status, stdout], [78, ""], name)
      assert.include(stderr, `refusing to start: ${name} was made for development`)
      assert.notInclude(stderr, value)
    }
  })

  it("takes them for development, and others always", () => {
    assert.strictEqual(start({ ...made, DEPLOYMENT: "development" }).stdout, "started\n")
    assert.strictEqual(start({ CURSOR_KEY: "of our own", DEPLOYMENT: "production" }).stdout, "started\n")
    assert.strictEqual(start({}).stdout, "started\n")
  })
})
