import { assert, layer } from "@effect/vitest"
import { ConfigProvider, Effect, Fiber, Layer, Schedule } from "effect"
import { SecureRandom } from "effect/crypto"
import { SqlClient } from "effect/sql"
import { Kafka, type KafkaMessage, logLevel, Partitioners } from "kafkajs"
import { createServer } from "node:http"
import { inject } from "vitest"
import type { EventContext } from "@marketplace/schema/Topology"
import { start } from "../../../infra/local/Servers.ts"
import type {} from "../../testing/src/setup/servers.ts"
import * as Consumer from "../src/Consumer.ts"
import { DeadLetters } from "../src/DeadLetters.ts"
import type { Envelope } from "../src/Envelope.ts"
import { EventTransport, TransportUnavailable } from "../src/EventTransport.ts"
import { layerKafka } from "../src/TransportKafka.ts"
import * as Record from "../src/TransportKafka/Record.ts"
import { transportContract } from "./transportContract.ts"
import * as World from "./World.ts"

const brokers = inject("kafkaBrokers")
const registry = inject("schemaRegistryUrl")

/** Topics and groups of its own; the broker is shared. */
const processOf = (prefix: string, registryUrl = registry) => (service: EventContext) =>
  layerKafka.pipe(
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({
      env: { KAFKA_BROKERS: brokers, KAFKA_PREFIX: prefix, KAFKA_SESSION_TIMEOUT: "6 seconds", SCHEMA_REGISTRY_URL: registryUrl }
    }))),
    Layer.provideMerge(World.connection(service))
  )

const newPrefix = Effect.map(SecureRandom.SecureRandom.use((random) => random.uuidV4()), (id) => `test-${id}.`)

transportContract("EventTransport on Kafka", {
  install: Effect.map(newPrefix, (prefix) => processOf(prefix)).pipe(Effect.provide(SecureRandom.layerWebCrypto))
})

const publish = (events: ReadonlyArray<Envelope>) =>
  EventTransport.use((transport) => transport.publish("order", events)).pipe(
    Effect.retry({ times: 300, schedule: Schedule.spaced("100 millis") })
  )

const client = new Kafka({ brokers: brokers.split(","), clientId: "test", logLevel: logLevel.NOTHING })

/** What is in a topic, as any other program sees it. */
const raw = (topic: string, got: Array<KafkaMessage>) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const consumer = client.consumer({ groupId: `${topic}.spy`, maxWaitTimeInMs: 100 })
      await consumer.connect()
      await consumer.subscribe({ topic, fromBeginning: true })
      await consumer.run({ eachMessage: ({ message }) => Promise.resolve(void got.push(message)) })
      return consumer
    }),
    (consumer) => Effect.promise(() => consumer.disconnect())
  )

const send = (topic: string, message: ReturnType<typeof Record.toMessage>) =>
  Effect.acquireUseRelease(
    Effect.promise(async () => {
      const producer = client.producer({ createPartitioner: Partitioners.DefaultPartitioner })
      await producer.connect()
      return producer
    }),
    (producer) => Effect.promise(() => producer.send({ topic, messages: [message] })),
    (producer) => Effect.promise(() => producer.disconnect())
  )

/** The product service, noting what it is told. */
const products = (process: ReturnType<typeof processOf>) =>
  Consumer.layer("product", Effect.map(SqlClient.SqlClient, (sql) => {
    const note = (_: unknown, about: Consumer.About) => Effect.provideService(World.note("told", about), SqlClient.SqlClient, sql)
    return { OrderStatusChanged: note, ProductStockChanged: note }
  })).pipe(Layer.provideMerge(process("product")))

/** The registry behind a door that can be shut. */
const door = Effect.gen(function*() {
  const state = { open: false, refused: 0 }
  const server = yield* Effect.acquireRelease(
    Effect.promise(async () => {
      const server = createServer(async (request, response) => {
        if (!state.open) {
          state.refused++
          return response.writeHead(503).end()
        }
        const chunks: Array<Buffer> = []
        for await (const chunk of request) chunks.push(chunk)
        const answer = await fetch(new URL(registry).origin + request.url, {
          method: request.method!,
          headers: { "content-type": request.headers["content-type"] ?? "application/json" },
          ...(chunks.length === 0 ? {} : { body: Buffer.concat(chunks) })
        })
        response.writeHead(answer.status, { "content-type": "application/json" }).end(await answer.text())
      })
      await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening))
      return server
    }),
    (server) => Effect.sync(() => server.close())
  )
  const address = server.address()
  const port = typeof address === "object" ? address?.port : undefined
  return { state, url: `http://127.0.0.1:${port}${new URL(registry).pathname}` }
})

layer(World.Template.layer, { excludeTestServices: true })("Kafka", (it) => {
  const test = <E>(promise: string, body: (prefix: string) => Effect.Effect<void, E, World.Environment>) =>
    it.effect(promise, () => World.isolated(Effect.flatMap(newPrefix, body)))

  test("carries CloudEvents with the registry's number before the body", Effect.fnUntraced(function*(prefix) {
    const order = yield* World.start(processOf(prefix)("order"))
    const event = yield* World.envelope(World.statusChanged(yield* World.newId), 7, { causeId: yield* World.newId })
    yield* order.run(publish([event]))
    const got: Array<KafkaMessage> = []
    yield* raw(`${prefix}order.events`, got)
    yield* World.eventually(Effect.sync(() => got.length), (n) => n > 0)
    const { headers, key, value } = got[0]!
    assert.strictEqual(key?.toString(), event.streamKey)
    assert.deepStrictEqual(Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name, String(value)])), {
      ce_specversion: "1.0",
      ce_id: event.id,
      ce_type: "OrderStatusChanged",
      ce_source: "/marketplace/order",
      ce_time: new Date(event.occurredAt).toISOString(),
      ce_subject: event.streamKey,
      ce_sequence: "7",
      ce_causeid: event.causeId!,
      traceparent: event.traceparent!
    })
    assert.strictEqual(value?.readUInt8(0), 0)
    assert.deepStrictEqual(new Uint8Array(value!.subarray(5)), event.body)
    const ask = (path: string) =>
      Effect.promise(async () => new Map(Object.entries(Object(await (await fetch(`${registry}${path}`)).json()))))
    const { name } = JSON.parse(String((yield* ask(`/schemas/ids/${value!.readUInt32BE(1)}`)).get("schema")))
    assert.strictEqual(name, "OrderStatusChanged")
    const rule = yield* ask("/config/marketplace.order.OrderStatusChanged")
    assert.strictEqual(rule.get("compatibilityLevel"), "FULL_TRANSITIVE")
  }))

  test("parks what nobody can decode", Effect.fnUntraced(function*(prefix) {
    const topic = `${prefix}order.events`
    const [unknown, unframed, sound] = yield* Effect.all([World.newId, World.newId, World.newId])
    const order = yield* World.start(processOf(prefix)("order"))
    yield* order.run(publish([yield* World.envelope(World.statusChanged(sound), 1)]))
    yield* send(topic, Record.toMessage(yield* World.envelope(World.statusChanged(unknown), 1), 999_999))
    const headless = yield* World.envelope(World.statusChanged(unframed), 1)
    yield* send(topic, { ...Record.toMessage(headless, 1), value: Buffer.from("neither framed nor Avro") })
    const product = yield* World.start(products(processOf(prefix)))
    const parked = product.run(DeadLetters.use((dead) => dead.list(10)))
    const letters = yield* World.eventually(parked, (all) => all.length === 2, "30 seconds")
    assert.sameMembers(letters.map(({ streamKey }) => streamKey), [unknown, unframed])
    const effects = yield* World.eventually(World.effects("product"), (all) => all.length === 1)
    assert.strictEqual(effects[0]?.streamKey, sound)
  }))

  test("waits for the registry, on both sides", Effect.fnUntraced(function*(prefix) {
    const { state, url } = yield* door
    const events = yield* Effect.forEach([1, 2], (sequence) =>
      Effect.flatMap(World.newId, (key) => World.envelope(World.statusChanged(key), sequence)))
    const order = yield* World.start(processOf(prefix, url)("order"))
    const refused = yield* Effect.flip(order.run(EventTransport.use((transport) => transport.publish("order", events))))
    assert.instanceOf(refused, TransportUnavailable)
    state.open = true
    yield* order.run(publish(events))
    Object.assign(state, { open: false, refused: 0 })
    const product = yield* World.start(products(processOf(prefix, url)))
    yield* World.eventually(Effect.sync(() => state.refused), (refused) => refused >= 3)
    assert.deepStrictEqual(yield* World.effects("product"), [])
    state.open = true
    yield* World.eventually(World.effects("product"), (all) => all.length === 2, "30 seconds")
    assert.deepStrictEqual(yield* product.run(DeadLetters.use((dead) => dead.list(10))), [])
  }))

  test("goes on where it was when the broker was killed", Effect.fnUntraced(function*(prefix) {
    const { servers } = yield* Effect.promise(() =>
      start(["kafka"], { directory: inject("serversDirectory"), say: () => {}, detach: true }))
    const keys = yield* Effect.all(Array.from({ length: 20 }, () => World.newId))
    const told = (sequence: number) => Effect.forEach(keys, (key) => World.envelope(World.statusChanged(key), sequence))
    const order = yield* World.start(processOf(prefix)("order"))
    yield* World.start(products(processOf(prefix)))
    yield* order.run(publish(yield* told(1)))
    yield* World.eventually(World.effects("product"), (all) => all.length === 20, "30 seconds")
    yield* Effect.promise(() => servers.kafka.kill9())
    const second = yield* told(2)
    const refused = yield* Effect.exit(order.run(EventTransport.use((transport) => transport.publish("order", second))))
    assert.strictEqual(refused._tag, "Failure")
    const publishing = yield* Effect.forkScoped(order.run(publish(second)))
    yield* Effect.promise(() => servers.kafka.restart())
    yield* Fiber.join(publishing)
    const effects = yield* World.eventually(World.effects("product"), (all) => all.length >= 40, "45 seconds")
    assert.strictEqual(effects.length, 40)
    for (const key of keys) {
      assert.deepStrictEqual(effects.filter(({ streamKey }) => streamKey === key).map(({ sequence }) => sequence), [1, 2])
    }
  }))
})
