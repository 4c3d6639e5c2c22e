import { assert, describe, it } from "@effect/vitest"
import { check } from "../check/imports.ts"
import { files, withChange, withFile } from "./repository.ts"

const before = new Set(check(files).problems)

/** What the check says because of the planted file. */
const saysOf = (path: string, statement: string) => check(withFile(path, `${statement}\n`)).problems.filter((problem) => !before.has(problem))

const refused: ReadonlyArray<readonly [path: string, statement: string, rule: RegExp]> = [
  ["domain/src/Planted.ts", `import { OrderApi } from "@marketplace/schema/Order/HttpApi"`, /domain lies below schema/],
  ["domain/src/Planted.ts", `import { readFileSync } from "node:fs"`, /domain is pure/],
  ["domain/src/Planted.ts", `import { HttpClient } from "effect/http"`, /domain is pure/],
  ["domain/src/Planted.ts", `import type { Sql } from "effect/sql"`, /domain is pure/],
  ["packages/schema/src/Planted.ts", `import { Label } from "@marketplace/telemetry/Names"`, /schema lies below telemetry/],
  ["packages/telemetry/src/Planted.ts", `import * as Database from "@marketplace/postgres/Database"`, /telemetry lies below postgres/],
  ["packages/postgres/src/Planted.ts", `import { Redis } from "@marketplace/redis/Redis"`, /postgres lies below redis/],
  ["packages/postgres/src/Planted.ts", `export * from "@marketplace/events/Outbox"`, /postgres lies below events/],
  ["packages/events/src/Planted.ts", `import { Health } from "@marketplace/service/Health"`, /events lies below service/],
  ["packages/client/src/Planted.ts", `import { Health } from "@marketplace/service/Health"`, /client lies below service/],
  ["packages/client/test/Planted.ts", `import { Label } from "@marketplace/telemetry/Names"`, /client lies below telemetry/],
  ["packages/service/src/Planted.ts", `import { make } from "@marketplace/testing/TestDatabase"`, /testing is for tests/],
  ["services/order/src/Planted.ts", `import { make } from "@marketplace/testing/TestDatabase"`, /testing is for tests/],
  ["services/order/src/Planted.ts", `import * as Client from "@marketplace/client/Client"`, /client is for people outside/],
  ["services/order/src/Planted.ts", `import { Products } from "@marketplace/product/Products"`, /no service or package imports a service/],
  ["services/order/test/Planted.ts", `import { Products } from "@marketplace/product/Products"`, /no service or package imports a service/],
  ["packages/testing/src/Planted.ts", `import { Products } from "@marketplace/product/Products"`, /no service or package imports a service/],
  ["services/order/src/Planted.ts", `const later = () => import("@marketplace/payment/Payments")`, /no service or package imports a service/],
  ["services/order/src/Planted.ts", `type Later = import("@marketplace/payment/Payments").Payments`, /no service or package imports a service/],
  ["services/order/src/Planted.ts", `import { layerKafka } from "@marketplace/events/TransportKafka"`, /only a main.ts/],
  ["services/order/src/Database.ts", `import { eventsSchema } from "@marketplace/events/TransportPostgres"`, /only a main.ts/],
  ["services/product/src/Planted.ts", `import * as Store from "./Products/RepositoryPostgres.ts"`, /only a main.ts/],
  ["services/user/src/Sessions/Planted.ts", `import * as Store from "./RepositoryRedis.ts"`, /only a main.ts/],
  ["services/payment/src/Planted.ts", `import { layerSimulator } from "./PaymentGateway/Simulator.ts"`, /only a main.ts/],
  ["packages/events/src/Planted.ts", `import * as Transport from "./TransportKafka.ts"`, /only a main.ts/],
  ["services/order/src/Planted.ts", `import * as Products from "../../product/src/Products.ts"`, /stays in its package/],
  ["services/order/src/Planted.ts", `import * as Servers from "../../../infra/local/Servers.ts"`, /stays in its package/],
  ["services/order/src/Planted.ts", `import { world } from "../test/World.ts"`, /what runs does not import tests/],
  ["services/order/src/Planted.ts", `import { Mongo } from "@marketplace/mongo/Mongo"`, /@marketplace\/mongo is not declared: add it to dependencies of services\/order/],
  ["services/order/src/Planted.ts", `import { parse } from "yaml"`, /yaml is not declared/],
  ["services/order/src/Planted.ts", `import { x } from "@marketplace/nowhere/X"`, /there is no package @marketplace\/nowhere/]
]

const allowed: ReadonlyArray<readonly [path: string, statement: string]> = [
  ["domain/test/Planted.ts", `import fc from "fast-check"`],
  ["packages/schema/src/Planted.ts", `import { Order } from "@marketplace/domain/Order/Order"`],
  ["packages/events/src/Planted.ts", `import * as Database from "@marketplace/postgres/Database"`],
  ["packages/events/src/TransportKafka/Planted.ts", `import * as Transport from "../TransportKafka.ts"`],
  ["packages/events/test/Planted.ts", `import * as Transport from "../src/TransportKafka.ts"`],
  ["services/order/src/main.ts", `import { layerKafka } from "@marketplace/events/TransportKafka"`],
  ["services/order/src/Database.ts", `import * as Outbox from "@marketplace/events/Outbox"`],
  ["services/order/test/Planted.ts", `import * as Client from "@marketplace/client/Client"`],
  ["services/marketplace/src/Planted.ts", `import { Products } from "@marketplace/product/Products"`],
  ["services/marketplace/src/Planted.ts", `import { layerPostgres } from "@marketplace/events/TransportPostgres"`],
  ["services/order/src/Planted.ts", `// import { Products } from "@marketplace/product/Products"\nexport const text = 'import "@marketplace/product/Products"'`]
]

describe("imports", () => {
  it.for(refused)("%s refuses %s", ([path, statement, rule]) => {
    const said = saysOf(path, statement)
    assert.strictEqual(said.length, 1, said.join("\n"))
    assert.match(said[0] ?? "", rule)
    assert.include(said[0] ?? "", `${path}:1 imports`)
  })

  it.for(allowed)("%s may say %s", ([path, statement]) => assert.deepStrictEqual(saysOf(path, statement), []))

  it("asks where a new package belongs", () => {
    const { problems } = check(withFile("packages/planted/package.json", `{ "name": "@marketplace/planted" }`))
    assert.include(problems.join("\n"), `packages/planted has no place in the order of packages`)
  })

  it("notices a dependency that is no longer declared", () => {
    const { problems } = check(withChange("services/order/package.json", `"@marketplace/events": "workspace:*",`, ""))
    assert.match(problems.join("\n"), /services\/order\/src\/\S+ imports "@marketplace\/events\/\w+": @marketplace\/events is not declared/)
  })
})
