import { assert, describe, it } from "@effect/vitest"
import { settingsOf } from "../check/settings.ts"

const read = (modules: Readonly<Record<string, string>>) => {
  const files = Object.entries(modules).map(([path, text]) => ({ path, text }))
  const { optional, required } = settingsOf(files, "services/a/src/main.ts")
  return { required: [...required].sort(), optional: [...optional].sort() }
}

describe("the settings of a program", () => {
  it("are required unless they have a default", () => {
    assert.deepStrictEqual(
      read({
        "services/a/src/main.ts": `
          const settings = Config.all({
            port: Config.Port("PORT"),
            host: Config.String("HOST").pipe(Config.withDefault("127.0.0.1")),
            url: Config.URL("PUBLIC_URL").pipe(Config.orElse(() => Config.URL("URL"))),
            mode: Config.option(Config.Literals(["a", "b"], "MODE")),
            level: Config.schema(Level, "LEVEL")
          })
          launch(settings)`
      }),
      { required: ["LEVEL", "PORT"], optional: ["HOST", "MODE", "PUBLIC_URL", "URL"] }
    )
  })

  it("are those of the static members that are named, not of the whole class", () => {
    const tokens = `
      const issuer = Config.String("ISSUER").pipe(Config.withDefault("x"))
      export class Signer extends Service() {
        static readonly layer = (key) => make(issuer, key)
        static readonly layerConfig = Layer.unwrap(Effect.gen(function*() { return Signer.layer(yield* Config.Redacted("PRIVATE_KEY")) }))
      }
      export class Verifier extends Service() {
        static readonly layerConfig = Config.URL("KEYS")
      }`
    assert.deepStrictEqual(
      read({
        "services/a/src/main.ts": `import { Signer } from "@marketplace/service/Tokens"\nserve(Signer.layerConfig)`,
        "packages/service/src/Tokens.ts": tokens
      }),
      { required: ["PRIVATE_KEY"], optional: ["ISSUER"] }
    )
    assert.deepStrictEqual(
      read({
        "services/a/src/main.ts": `import * as Tokens from "@marketplace/service/Tokens"\nserve(Tokens.Verifier.layerConfig)`,
        "packages/service/src/Tokens.ts": tokens
      }),
      { required: ["KEYS"], optional: [] }
    )
  })

  it("are found through several modules, and the address of a service by its name", () => {
    assert.deepStrictEqual(
      read({
        "services/a/src/main.ts": `import * as A from "./Service.ts"\nserve(A.layer)`,
        "services/a/src/Service.ts": `
          import { OrderClient } from "@marketplace/service/Clients"
          export { unused } from "./Unused.ts"
          export const layer = provide(OrderClient.layerHttp)`,
        "services/a/src/Unused.ts": `export const unused = Config.String("UNUSED")`,
        "packages/service/src/Clients.ts": `
          export class OrderClient { static readonly layerHttp = http(contract, "ORDER_URL") }
          export class OtherClient { static readonly layerHttp = http(contract, "OTHER_URL") }`
      }),
      { required: ["ORDER_URL"], optional: [] }
    )
  })

  it("are not those that a local name hides", () => {
    assert.deepStrictEqual(
      read({
        "services/a/src/main.ts": `
          const sasl = Config.all({ user: Config.String("SASL_USER") })
          const options = ({ sasl }) => sasl.user
          function* settings() { const found = yield* Config.option(sasl); return options({ sasl: found }) }
          launch(settings)`
      }),
      { required: [], optional: ["SASL_USER"] }
    )
  })
})
