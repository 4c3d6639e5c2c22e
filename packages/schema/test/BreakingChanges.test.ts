import { assert, describe, it } from "@effect/vitest"
import { breakingChanges } from "../src/Snapshots/BreakingChanges.ts"
import type { JsonObject } from "../src/Snapshots/Json.ts"

const json = (schema: object) => ({ content: { "application/json": { schema } } })
const problem = (type: string, more: object = {}) => ({
  type: "object",
  properties: { type: { type: "string", enum: [type] }, ...more }
})

const document = {
  paths: {
    "/orders": {
      get: {
        parameters: [{ name: "limit", in: "query", required: false, schema: { type: "integer" } }],
        responses: { 200: json({ type: "array", items: { $ref: "#/components/schemas/Order" } }) }
      },
      post: {
        parameters: [{ name: "idempotency-key", in: "header", required: true, schema: { type: "string" } }],
        requestBody: {
          required: true,
          ...json({
            type: "object",
            properties: {
              note: { anyOf: [{ type: "string" }, { type: "null" }] },
              way: { type: "string", enum: ["CARD", "TRANSFER"] }
            },
            required: ["way"]
          })
        },
        responses: {
          201: json({ $ref: "#/components/schemas/Order" }),
          409: {
            content: {
              "application/problem+json": {
                schema: { anyOf: [problem("/problems/a", { orderId: { type: "string" } }), problem("/problems/b")] }
              }
            }
          }
        }
      }
    }
  },
  components: {
    schemas: {
      Order: {
        type: "object",
        properties: {
          id: { type: "string" },
          parent: { anyOf: [{ $ref: "#/components/schemas/Order" }, { type: "null" }] },
          status: { type: "string", enum: ["PLACED"] }
        },
        required: ["id", "parent", "status"]
      }
    }
  }
}

/** The document after a change, against the one before. */
const after = (change: (document: any) => void): ReadonlyArray<string> => {
  const changed = structuredClone(document)
  change(changed)
  return breakingChanges(document as unknown as JsonObject, changed as unknown as JsonObject)
}

const post = (document: any) => document.paths["/orders"].post
const body = (document: any) => post(document).requestBody.content["application/json"].schema
const order = (document: any) => document.components.schemas.Order
const conflicts = (document: any): Array<any> => post(document).responses[409].content["application/problem+json"].schema.anyOf

describe("nobody is broken by", () => {
  const harmless: Record<string, (document: any) => void> = {
    "nothing": () => {},
    "a new operation": (d) => d.paths["/returns"] = { get: { responses: {} } },
    "a new parameter that may be left out": (d) =>
      d.paths["/orders"].get.parameters.push({ name: "sort", in: "query", required: false, schema: {} }),
    "a new field that may be left out": (d) => body(d).properties.gift = { type: "boolean" },
    "a field that need no longer be sent": (d) => body(d).required = [],
    "another value that is taken": (d) => body(d).properties.way.enum.push("POINTS"),
    "another property of an answer": (d) => order(d).properties.total = { type: "integer" },
    "a new status": (d) => order(d).properties.status.enum.push("LOST"),
    "a new problem": (d) => conflicts(d).push(problem("/problems/c")),
    "a problem that no longer happens": (d) => conflicts(d).pop(),
    "an answer that is never null any more": (d) => order(d).properties.parent = { $ref: "#/components/schemas/Order" },
    "another name for the same schema": (d) => {
      d.components.schemas.OrderView = order(d)
      post(d).responses[201].content["application/json"].schema.$ref = "#/components/schemas/OrderView"
    }
  }
  for (const [what, change] of Object.entries(harmless)) it(what, () => assert.deepStrictEqual(after(change), []))
})

describe("somebody is broken by", () => {
  const harmful: Record<string, readonly [(document: any) => void, ReadonlyArray<string>]> = {
    "a path that is gone": [(d) => delete d.paths["/orders"], ["GET /orders: is gone", "POST /orders: is gone"]],
    "an operation that is gone": [(d) => delete d.paths["/orders"].get, ["GET /orders: is gone"]],
    "a parameter that is gone": [(d) => d.paths["/orders"].get.parameters.pop(), ["GET /orders query limit: is gone"]],
    "a parameter of another type": [
      (d) => d.paths["/orders"].get.parameters[0].schema.type = "string",
      ["GET /orders query limit: was \"integer\", is \"string\""]
    ],
    "a parameter that must be sent": [
      (d) => d.paths["/orders"].get.parameters[0].required = true,
      ["GET /orders query limit: must be sent now"]
    ],
    "a field that must be sent": [
      (d) => {
        body(d).properties.total = { type: "integer" }
        body(d).required.push("total", "note")
      },
      ["POST /orders body.total: must be sent now", "POST /orders body.note: must be sent now"]
    ],
    "a field that is refused": [(d) => delete body(d).properties.way, ["POST /orders body.way: is gone"]],
    "a value that is refused": [
      (d) => body(d).properties.way.enum.shift(),
      ["POST /orders body.way: \"CARD\" is no longer taken"]
    ],
    "null that is refused": [
      (d) => body(d).properties.note = { type: "string" },
      ["POST /orders body.note: was \"null\", is \"string\""]
    ],
    "a property that an answer lacks": [
      (d) => delete order(d).properties.id,
      ["GET /orders 200[].id: is gone", "POST /orders 201.id: is gone"]
    ],
    "a property that may be missing": [
      (d) => order(d).required.shift(),
      ["GET /orders 200[].id: may be missing now", "POST /orders 201.id: may be missing now"]
    ],
    "a property that may be null": [
      (d) => order(d).properties.id = { anyOf: [{ type: "string" }, { type: "null" }] },
      ["GET /orders 200[].id: was \"string\", is \"null\"", "POST /orders 201.id: was \"string\", is \"null\""]
    ],
    "a success that is gone": [(d) => delete post(d).responses[201], ["POST /orders 201: is gone"]],
    "a problem that tells less": [(d) => delete conflicts(d)[0].properties.orderId, ["POST /orders 409.orderId: is gone"]]
  }
  for (const [what, [change, told]] of Object.entries(harmful)) it(what, () => assert.deepStrictEqual(after(change), told))
})
