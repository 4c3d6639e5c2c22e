import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import avsc from "avsc"
import { spawnSync } from "node:child_process"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { canonical, codec } from "../src/Avro.ts"
import { paths, snapshots } from "../src/Snapshots.ts"
import { eventContracts, publications } from "../src/Snapshots/EventContracts.ts"
import { compare, type Files } from "../src/Snapshots/Generation.ts"
import { incompatibilities, nextReleases, type Release, releasesOf } from "../src/Snapshots/Releases.ts"
import { samples } from "../src/Snapshots/Samples.ts"
import type { EventContext, EventName } from "../src/Topology.ts"
import { independentType, roundTrips } from "./AvroProperty.ts"

const root = join(import.meta.dirname, "..", "..", "..")
const read = (path: string) => readFileSync(join(root, path), "utf8")
const released = new Map(readdirSync(join(root, paths.released)).map((name) => [name, read(`${paths.released}/${name}`)]))
const releases = releasesOf(released)
/** Files of each release. */
const kinds = ["avsc", "avro.hex", "json"]

describe("snapshots", () => {
  it("are what the contracts say", () => {
    for (const [path, content] of snapshots()) {
      assert.strictEqual(read(path), content, `${path}: run node marketplace.mjs generate`)
    }
    assert.sameMembers(readdirSync(join(root, paths.current)), eventContracts().map(({ name }) => `${name}.avsc`))
  })

  it("of OpenAPI call everything by the name that people outside know", () => {
    const document = read(paths.openApi)
    assert.notMatch(document, /Encoded|9007199254740991|\[\+-\]/)
    const { components, paths: operations, tags } = JSON.parse(document)
    assert.deepStrictEqual(tags.map(({ name }: { name: string }) => name), ["User", "Product", "Order", "Payment"])
    for (const [, name] of document.matchAll(/"\$ref": "#\/components\/schemas\/(\w+)"/g)) {
      assert.property(components.schemas, name!)
    }
    const [limit] = operations["/v1/orders"].get.parameters
    assert.deepStrictEqual(limit.schema, { type: "integer", default: 20, format: "int64", minimum: 1, maximum: 100 })
    assert.deepStrictEqual(components.schemas.OrderUnknown.properties.status, { type: "integer", enum: [404] })
    assert.includeMembers(components.schemas.OrderUnknown.required, ["orderId", "traceId", "instance", "title"])
  })

  it("of AsyncAPI refer to what is there", () => {
    const document = JSON.parse(read(paths.asyncApi))
    for (const [, path] of JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)) {
      assert.isDefined(path!.split("/").reduce((object, key) => object?.[key], document), path)
    }
    assert.deepStrictEqual(Object.keys(document.channels), ["user.events", "product.events", "order.events", "payment.events"])
    assert.deepStrictEqual(document.operations["order.receive.payment"].messages, [
      { $ref: "#/channels/payment.events/messages/PaymentCompleted" },
      { $ref: "#/channels/payment.events/messages/RefundCompleted" }
    ])
    assert.match(document.components.messages.PaymentCompleted.bindings.kafka.key.description, /^orderId,/)
  })
})

describe("released schemas", () => {
  it.effect("are those of now, or older ones that can read and be read", () => Effect.gen(function*() {
    assert.deepStrictEqual(incompatibilities(releases), [])
    assert.deepStrictEqual([...(yield* nextReleases(releases)).keys()], [], "run `node marketplace.mjs generate --release`")
  }))

  it("have golden bytes and their meaning beside each version", () => {
    const names = releases.flatMap(({ event, version }) => kinds.map((end) => `${event}.v${version}.${end}`))
    assert.sameMembers([...released.keys()], names)
    assert.sameMembers([...new Set(releases.map(({ event }) => event))], eventContracts().map(({ name }) => name))
  })

  it.effect("that changed are released as the next version", () => Effect.gen(function*() {
    const [first, ...others] = releases
    const { avro } = first!
    const more = { name: "old", type: ["null", "string"], default: null }
    const older: Release = { ...first!, avro: { ...avro, fields: [...avro.fields, more] } }
    const next = yield* nextReleases([older, ...others])
    assert.deepStrictEqual([...next.keys()], kinds.map((end) => `${first!.event}.v2.${end}`))
    assert.strictEqual(next.get(`${first!.event}.v2.avsc`), released.get(`${first!.event}.v1.avsc`))
    assert.deepStrictEqual(incompatibilities([older, ...others]), [])
    const seconds = JSON.parse(released.get("OrderCreated.v1.avsc")!.replace("timestamp-millis", "timestamp-micros"))
    const unreadable = [{ event: "OrderCreated", version: 1, avro: seconds }, { ...first!, event: "Forgotten" }]
    assert.deepStrictEqual(incompatibilities(unreadable), [
      "against OrderCreated.v1: OrderCreated.paymentDeadline: logical type is timestamp-millis, was timestamp-micros",
      "Forgotten: released as version 1, and no longer published"
    ])
  }))
})

/** What of an older value is still there: fields that both versions have. */
const common = (value: unknown, like: unknown): unknown => {
  if (Array.isArray(value) && Array.isArray(like)) return value.map((item, index) => common(item, like[index]))
  if (typeof value !== "object" || value === null || typeof like !== "object" || like === null) return value
  const shared = Object.entries(value).filter(([key]) => key in like)
  return Object.fromEntries(shared.map(([key, item]) => [key, common(item, Object(like)[key])]))
}

const plain = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_, item) => typeof item === "bigint" ? Number(item) : item))

const goldenOf = ({ event, version }: Release) => ({
  bytes: Buffer.from(released.get(`${event}.v${version}.avro.hex`)!.trim(), "hex"),
  value: JSON.parse(released.get(`${event}.v${version}.json`)!) as unknown
})

const contract = <N extends EventName>(context: EventContext, name: N) =>
  describe(name, () => {
    const { schema } = publications[name]
    const made = codec(name, context, schema)
    roundTrips(name, context, schema, 50)

    for (const release of releases.filter(({ event }) => event === name)) {
      const { bytes, value } = goldenOf(release)

      it.effect(`reads the golden bytes of version ${release.version}`, () => Effect.gen(function*() {
        assert.deepStrictEqual(plain(avsc.Type.forSchema(JSON.parse(canonical(release.avro))).fromBuffer(bytes)), value)
        const event = yield* made.decode(bytes, release.avro)
        const written = plain(independentType(made.json).fromBuffer(Buffer.from(yield* made.encode(event))))
        assert.deepStrictEqual(common(written, value), common(value, written))
        if (canonical(release.avro) === canonical(made.avro)) {
          assert.isTrue(Schema.toEquivalence(schema)(event, (yield* made.decode(yield* made.encode(samples[name])))))
        }
      }))
    }
  })

describe("events", () => {
  for (const { context, name } of eventContracts()) contract(context, name)
})

describe("generate", () => {
  /** The files of the repository, some of them changed; undefined takes one away. */
  const files = (changes: Record<string, string | undefined> = {}): Files => ({
    read: (path) => path in changes ? changes[path] : existsSync(join(root, path)) ? read(path) : undefined,
    list: (folder) => {
      const added = Object.keys(changes).filter((path) => dirname(path) === folder).map((path) => basename(path))
      return [...new Set([...readdirSync(join(root, folder)), ...added])]
        .filter((name) => !(`${folder}/${name}` in changes) || changes[`${folder}/${name}`] !== undefined)
    }
  })

  it.effect("finds nothing to do", () => Effect.gen(function*() {
    assert.deepStrictEqual(yield* compare(files()), {
      stale: new Map(),
      superfluous: [],
      unreleased: new Map(),
      incompatible: [],
      breaking: []
    })
  }))

  it.effect("names what is stale, superfluous and not released", () => Effect.gen(function*() {
    const gone = kinds.map((end) => `${paths.released}/OrderCreated.v1.${end}`)
    const found = yield* compare(files({
      [paths.lifecycles]: "edited",
      [`${paths.current}/OrderCreated.avsc`]: undefined,
      [`${paths.current}/Forgotten.avsc`]: "{}",
      ...Object.fromEntries(gone.map((path) => [path, undefined]))
    }))
    assert.deepStrictEqual([...found.stale.keys()], [paths.lifecycles, `${paths.current}/OrderCreated.avsc`])
    assert.deepStrictEqual(found.superfluous, [`${paths.current}/Forgotten.avsc`])
    assert.deepStrictEqual([...found.unreleased], gone.map((path) => [path, read(path)]))
  }))

  it.effect("notices what callers would miss", () => Effect.gen(function*() {
    const before = JSON.parse(read(paths.openApi))
    before.paths["/v1/wishlists"] = { get: { responses: {} } }
    before.components.schemas.MemberView.properties.nickname = { type: "string" }
    const { breaking } = yield* compare(files({ [paths.openApi]: JSON.stringify(before) }))
    assert.deepStrictEqual(breaking, ["GET /v1/members/me 200.nickname: is gone", "GET /v1/wishlists: is gone"])
  }))

  it("can be asked without writing anything", () => {
    const script = join(root, "infra/toolchain/generate.ts")
    const { status, stderr } = spawnSync(process.execPath, [script, "--check"], { encoding: "utf8" })
    assert.deepStrictEqual([stderr, status], ["", 0])
  })
})
