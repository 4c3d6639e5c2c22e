import { execFile, spawn } from "node:child_process"
import { createRequire } from "node:module"
import { createConnection } from "node:net"
import { join } from "node:path"
import { promisify } from "node:util"
import { afterAll, assert, beforeAll, describe, inject, it, vi } from "vitest"
import { until } from "../Process.ts"
import { known, type Name, names, start } from "../Servers.ts"

// The drivers belong to the packages that use them; this folder is no package.
const driver = createRequire(new URL("../../../packages/testing/package.json", import.meta.url))
const { Kafka, logLevel }: typeof import("../../../packages/testing/node_modules/kafkajs/types/index.d.ts") = driver("kafkajs")
const { MongoClient }: typeof import("../../../packages/testing/node_modules/mongodb/mongodb.d.ts") = driver("mongodb")
const { Redis }: typeof import("../../../packages/testing/node_modules/ioredis/built/index.d.ts") = driver("ioredis")

const words = Array.from({ length: 20 }, (_, i) => `word-${i}`)

/** One acknowledged write after the other, and all that a new client finds. */
const clients: Record<Name, (url: string) => { write: () => Promise<void>; read: () => Promise<ReadonlyArray<string>> }> = {
  kafka: (url) => {
    const kafka = new Kafka({ brokers: url.split(","), logLevel: logLevel.NOTHING })
    return {
      write: async () => {
        const [admin, producer] = [kafka.admin(), kafka.producer({ allowAutoTopicCreation: false })]
        await admin.connect()
        await admin.createTopics({ topics: [{ topic: "words", numPartitions: 1, replicationFactor: 1 }] })
        await admin.disconnect()
        await producer.connect()
        for (const value of words) await producer.send({ topic: "words", acks: -1, messages: [{ value }] })
        await producer.disconnect()
      },
      read: async () => {
        const consumer = kafka.consumer({ groupId: "readers" })
        const found: Array<string> = []
        await consumer.connect()
        await consumer.subscribe({ topic: "words", fromBeginning: true })
        await consumer.run({ eachMessage: async ({ message }) => void found.push(String(message.value)) })
        await until(20_000, () => found.length >= words.length)
        await consumer.disconnect()
        return found
      }
    }
  },
  registry: (url) => ({
    write: async () => {
      for (const word of words) {
        const schema = JSON.stringify({ type: "record", name: word.replace("-", "_"), fields: [] })
        const headers = { "content-type": "application/vnd.schemaregistry.v1+json" }
        const body = JSON.stringify({ schema })
        const reply = await fetch(`${url}/subjects/${word}/versions`, { method: "POST", headers, body })
        assert.strictEqual(reply.status, 200)
      }
    },
    read: async () => {
      const found = await fetch(`${url}/subjects`).then((reply) => reply.json()) as Array<string>
      return found.filter((subject) => words.includes(subject)).sort((a, b) => words.indexOf(a) - words.indexOf(b))
    }
  }),
  mongo: (url) => ({
    write: async () => {
      const client = await MongoClient.connect(url)
      for (const word of words) await client.db("test").collection("words").insertOne({ word })
      await client.close()
    },
    read: async () => {
      const client = await MongoClient.connect(url)
      const found = await client.db("test").collection("words").find().sort({ _id: 1 }).toArray()
      await client.close()
      return found.map((document) => String(document["word"]))
    }
  }),
  redis: (url) => ({
    write: async () => {
      const client = new Redis(url)
      for (const word of words) await client.rpush("words", word)
      client.disconnect()
    },
    read: async () => {
      const client = new Redis(url)
      const found = await client.lrange("words", 0, -1)
      client.disconnect()
      return found
    }
  })
}

describe("the servers that all tests share", () => {
  const directory = inject("serversDirectory")

  /** A server that was given by URL is not ours to hit. */
  const ours = (name: Name, skip: (why: string) => never) => known([name], directory)[0] ?? skip(`${name} is given by URL`)

  it.for(names)("%s keeps what it acknowledged through kill -9 and a restart", async (name, { skip }) => {
    const { kill9, restart, serves, url } = ours(name, skip)
    const client = clients[name](url)
    await client.write()
    await kill9()
    assert.isFalse(await serves())
    await restart()
    assert.deepStrictEqual(await client.read(), words)
  })

  it.for(names)("%s listens on 127.0.0.1 only", async (name, { skip }) => {
    // All of 127.0.0.0/8 is this machine: who listens on every address answers on another of them too.
    const port = Number(/127\.0\.0\.1:(\d+)/.exec(ours(name, skip).url)?.[1])
    const accepts = (host: string) =>
      new Promise<boolean>((resolve) => {
        const socket = createConnection({ host, port }, () => resolve(true)).once("error", () => resolve(false))
        socket.once("connect", () => socket.destroy())
      })
    assert.deepStrictEqual([await accepts("127.0.0.1"), await accepts("127.0.0.2")], [true, false])
  })

  it("the registry refuses a schema that earlier readers or writers cannot use", async ({ skip }) => {
    const { url } = ours("registry", skip)
    const register = (...fields: ReadonlyArray<unknown>) =>
      fetch(`${url}/subjects/rule/versions`, {
        method: "POST",
        headers: { "content-type": "application/vnd.schemaregistry.v1+json" },
        body: JSON.stringify({ schema: JSON.stringify({ type: "record", name: "rule", fields }) })
      }).then((reply) => reply.status)
    const id = { name: "id", type: "string" }
    const note = { name: "note", type: "string" }
    assert.strictEqual(await register(id), 200)
    assert.strictEqual(await register(id, note), 409) // this reader finds no note in what is written
    assert.strictEqual(await register(), 409) // the reader finds no id in what this writes
    assert.strictEqual(await register(id, { ...note, default: "" }), 200)
    assert.strictEqual(await register(id, { ...note, name: "other", default: "" }), 200)
    assert.strictEqual(await register(id, { ...note, type: "int", default: 0 }), 409) // fits the latest, not the one before
  })

  it("a frozen server does not answer until it is thawed", async ({ skip }) => {
    const { serves, sigcont, sigstop } = ours("redis", skip)
    await sigstop()
    assert.isFalse(await serves())
    await sigcont()
    assert.isTrue(await serves())
  })
})

describe("a start", () => {
  const directory = join(inject("serversDirectory"), "start")
  beforeAll(() => void vi.stubEnv("REDIS_URL", undefined))
  afterAll(async () => {
    vi.unstubAllEnvs()
    await Promise.all(known(names, directory).map((server) => server.reset()))
  })

  const begin = async () => {
    const lines: Array<string> = []
    const { servers } = await start(["redis"], { directory, say: (line) => lines.push(line) })
    return { redis: servers.redis, line: lines.join("\n") }
  }

  /** A program that starts Redis and says so. */
  const program = (then: string) => `
    import { start } from ${JSON.stringify(new URL("../Servers.ts", import.meta.url))}
    await start(["redis"], { directory: ${JSON.stringify(directory)}, say: console.log })
    ${then}
  `

  it("takes over what a killed run left, and replaces what does not answer", async () => {
    const run = spawn(process.execPath, ["--input-type=module-typescript", "-e", program("setInterval(() => {}, 1000)")])
    await new Promise((resolve) => run.stdout.once("data", resolve))
    run.kill("SIGKILL")

    const taken = await begin()
    assert.match(taken.line, /already serves/)
    await clients.redis(taken.redis.url).write()

    await taken.redis.sigstop()
    const replaced = await begin()
    assert.match(replaced.line, /started/)
    assert.strictEqual(replaced.redis.url, taken.redis.url)
    assert.deepStrictEqual(await clients.redis(replaced.redis.url).read(), words)
    await replaced.redis.stop()
  })

  it("does not outlive its program", async () => {
    await promisify(execFile)(process.execPath, ["--input-type=module-typescript", "-e", program("process.exit(0)")])
    const [server] = known(["redis"], directory)
    assert.isTrue(await until(10_000, async () => !(await server!.serves())))
  })

  it("says in one line how to install what is missing", async () => {
    const code = `
      import { names, start } from ${JSON.stringify(new URL("../Servers.ts", import.meta.url))}
      const options = { directory: ${JSON.stringify(directory)}, say: console.log }
      await start(names, options).catch((error) => console.log(error.message))
    `
    const env = { PATH: directory } // where there is nothing to run
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module-typescript", "-e", code], { env })
    assert.match(stdout, /^Kafka, .*(apt-get install -y openjdk-17-jdk-headless maven redis-server|start Docker) .*\n$/)
  })

  it("uses the server of a URL that is given", async () => {
    vi.stubEnv("REDIS_URL", "redis://elsewhere:6379")
    const { line, redis } = await begin()
    assert.strictEqual(redis.url, "redis://elsewhere:6379")
    assert.match(line, /given by REDIS_URL/)
  })
})
