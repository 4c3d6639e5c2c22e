import { createHash } from "node:crypto"
import { existsSync, readFileSync } from "node:fs"
import { mkdir, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { ask, run } from "./Process.ts"

/** A server, and the folder in which its things are. */
export type Name = "kafka" | "registry" | "mongo" | "redis"

/** A program that must be on the path. */
export type Tool = "java" | "javac" | "mvn" | "redis-server"

/** What a recipe works with. */
export interface Place {
  /** What `fetch` brought. Empty for a recipe that fetches nothing. */
  readonly program: string
  /** This server's own folder. Exists. */
  readonly folder: string
  /** The first one is for clients. */
  readonly ports: readonly [number, number]
}

/** How the server is started. `env` comes on top of this process's environment. */
export interface Command {
  readonly file: string
  readonly args: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
}

/** All there is to know about one server. */
export interface Recipe<V extends string = string> {
  readonly title: string
  /** The environment variable by which the services know it, and by which a person names a server of their own. */
  readonly variable: V
  readonly url: (port: number) => string
  /** Whether it serves, asked in its own protocol: a container engine accepts connections for a server that is not up. */
  readonly ready: (port: number) => Promise<boolean>
  /** What it needs to be told once it serves. */
  readonly settle?: (port: number) => Promise<void>
  readonly container: {
    readonly image: string
    /** The port inside. Without it the same as outside. */
    readonly port?: number
    readonly env?: (port: number) => Readonly<Record<string, string>>
    readonly args?: ReadonlyArray<string>
  }
  readonly process: {
    readonly needs: ReadonlyArray<Tool>
    /** Fetched once into a folder named by `version`, that all servers of this checkout share. */
    readonly fetch?: { readonly size: string; readonly version: string; readonly into: (folder: string) => Promise<void> }
    readonly prepare?: (place: Place) => Promise<void>
    readonly command: (place: Place) => Command
  }
}

const here = (...path: ReadonlyArray<string>) => join(import.meta.dirname, ...path)

const versionOf = (...files: ReadonlyArray<string>) =>
  files.reduce((hash, file) => hash.update(readFileSync(here(file))), createHash("sha256")).digest("hex").slice(0, 12)

/** 2.8: later versions read the parent POM of the Schema Registry, which is not published. */
const maven = (goal: string, ...args: ReadonlyArray<string>) =>
  run("mvn", ["-q", "-B", "--strict-checksums", `org.apache.maven.plugins:maven-dependency-plugin:2.8:${goal}`, ...args])

const libraries = (name: string, folder: string) =>
  maven("copy-dependencies", "-f", here(name, "pom.xml"), "-DincludeScope=runtime", `-DoutputDirectory=${folder}`)

/** For servers of one machine and a short life: what the second compiler and a parallel collector cost, they do not earn. */
const jvm = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]

const kafkaSettings = (own: { readonly listeners: string; readonly controller: number; readonly port: number }) => ({
  "process.roles": "broker,controller",
  "node.id": "1",
  "controller.listener.names": "CONTROLLER",
  "controller.quorum.voters": `1@127.0.0.1:${own.controller}`,
  "listeners": own.listeners,
  "advertised.listeners": `PLAINTEXT://127.0.0.1:${own.port}`,
  "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
  "offsets.topic.replication.factor": "1",
  "offsets.topic.num.partitions": "4",
  "transaction.state.log.replication.factor": "1",
  "transaction.state.log.min.isr": "1",
  "transaction.state.log.num.partitions": "4",
  "share.coordinator.state.topic.replication.factor": "1",
  "share.coordinator.state.topic.min.isr": "1",
  "group.initial.rebalance.delay.ms": "0",
  // After kill -9 the broker may register again only when its old session has expired: 9 s by default.
  "broker.session.timeout.ms": "1500",
  "broker.heartbeat.interval.ms": "500",
  "auto.create.topics.enable": "false"
})

const kafka: Recipe<"KAFKA_BROKERS"> = {
  title: "Kafka",
  variable: "KAFKA_BROKERS",
  url: (port) => `127.0.0.1:${port}`,
  // A metadata request (version 1, no topics). The reply begins with the brokers that take part; while it starts there is none.
  ready: async (port) => {
    const reply = await ask(port, "0000000e" + "0003" + "0001" + "00000001" + "ffff" + "00000000")
    return reply.length >= 12 && reply.readInt32BE(8) > 0
  },
  container: {
    // The broker must reach itself, from inside, under the address it gives to clients: so one port, inside and outside.
    image: "apache/kafka:4.1.1",
    env: (port) => {
      const settings = kafkaSettings({ listeners: `PLAINTEXT://:${port},CONTROLLER://127.0.0.1:9093`, controller: 9093, port })
      return Object.fromEntries(
        Object.entries(settings).map(([key, value]) => [`KAFKA_${key.replaceAll(".", "_").toUpperCase()}`, value])
      )
    }
  },
  process: {
    needs: ["java", "mvn"],
    fetch: {
      size: "38 MB",
      version: versionOf("kafka/pom.xml"),
      into: async (folder) => void await libraries("kafka", folder)
    },
    prepare: async ({ program, folder, ports: [port, controller] }) => {
      const listeners = `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}`
      const settings = { ...kafkaSettings({ listeners, controller, port }), "log.dirs": join(folder, "data") }
      const file = join(folder, "server.properties")
      await writeFile(file, Object.entries(settings).map(([key, value]) => `${key}=${value}\n`).join(""))
      if (existsSync(join(folder, "data", "meta.properties"))) return
      const format = ["kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", file]
      await run("java", [...jvm, "-Xmx128m", "-cp", join(program, "*"), ...format])
    },
    command: ({ program, folder }) => ({
      file: "java",
      args: [
        ...jvm,
        "-Xms128m",
        "-Xmx512m",
        `-Dlog4j2.configurationFile=${pathToFileURL(here("kafka", "log4j2.properties"))}`,
        "-cp",
        join(program, "*"),
        "kafka.Kafka",
        join(folder, "server.properties")
      ]
    })
  }
}

const apicurio = "3.0.9" // the last that runs on Java 17
const registryUrl = (port: number) => `http://127.0.0.1:${port}/apis/ccompat/v7`

const registryEnv = (data: string) => ({
  // WRITE_DELAY=0: by default H2 keeps half a second of acknowledged schemas in memory and kill -9 loses them.
  APICURIO_DATASOURCE_URL: `jdbc:h2:file:${data};WRITE_DELAY=0`,
  APICURIO_DATASOURCE_JDBC_INITIAL__SIZE: "2",
  APICURIO_DATASOURCE_JDBC_MIN__SIZE: "2",
  APICURIO_DATASOURCE_JDBC_MAX__SIZE: "10",
  APICURIO_CCOMPAT_USE_CANONICAL_HASH: "true",
  QUARKUS_HTTP_ACCESS__LOG_ENABLED: "false"
})

/** Apicurio, which also speaks the Confluent API. */
const registry: Recipe<"SCHEMA_REGISTRY_URL"> = {
  title: "Schema Registry",
  variable: "SCHEMA_REGISTRY_URL",
  url: registryUrl,
  ready: (port) =>
    fetch(`${registryUrl(port)}/subjects`, { signal: AbortSignal.timeout(2000) }).then((reply) => reply.ok, () => false),
  settle: async (port) => {
    const headers = { "content-type": "application/json" }
    const body = JSON.stringify({ compatibility: "FULL_TRANSITIVE" })
    const reply = await fetch(`${registryUrl(port)}/config`, { method: "PUT", headers, body })
    if (!reply.ok) throw new Error(`the compatibility rule was refused: ${reply.status} ${await reply.text()}`)
  },
  container: { image: `apicurio/apicurio-registry:${apicurio}`, port: 8080, env: () => registryEnv("/tmp/registry") },
  process: {
    needs: ["java", "mvn"],
    fetch: {
      size: "109 MB",
      version: apicurio,
      into: async (folder) => {
        await maven("copy", `-Dartifact=io.apicurio:apicurio-registry-app:${apicurio}:tar.gz:all`, `-DoutputDirectory=${folder}`)
        const archive = join(folder, `apicurio-registry-app-${apicurio}-all.tar.gz`)
        await run("tar", ["xzf", archive, "-C", folder])
        await rm(archive)
      }
    },
    command: ({ program, folder, ports: [port] }) => ({
      file: "java",
      args: [...jvm, "-Xmx256m", "-jar", join(program, `apicurio-registry-app-${apicurio}-runner.jar`)],
      env: {
        ...registryEnv(join(folder, "data", "registry")),
        QUARKUS_HTTP_HOST: "127.0.0.1",
        QUARKUS_HTTP_PORT: String(port)
      }
    })
  }
}

/** As a process: not MongoDB but a server that speaks its protocol. What it can do stands in `mongo/MongoWire.java`. */
const mongo: Recipe<"MONGODB_URL"> = {
  title: "MongoDB",
  variable: "MONGODB_URL",
  url: (port) => `mongodb://127.0.0.1:${port}/?directConnection=true&retryWrites=false`,
  // OP_MSG with { hello: 1, $db: "admin" }
  ready: async (port) => {
    const hello = "1f000000" + "1068656c6c6f0001000000" + "0224646200" + "0600000061646d696e00" + "00"
    return (await ask(port, "34000000" + "01000000" + "00000000" + "dd070000" + "00000000" + "00" + hello)).length > 0
  },
  container: { image: "mongo:8.0", port: 27017 },
  process: {
    needs: ["java", "javac", "mvn"],
    fetch: {
      size: "6 MB",
      version: versionOf("mongo/pom.xml", "mongo/MongoWire.java"),
      into: async (folder) => {
        await libraries("mongo", folder)
        await run("javac", ["-nowarn", "-d", join(folder, "classes"), "-cp", join(folder, "*"), here("mongo", "MongoWire.java")])
      }
    },
    prepare: async ({ folder }) => void await mkdir(join(folder, "data"), { recursive: true }),
    command: ({ program, folder, ports: [port] }) => ({
      file: "java",
      args: [
        ...jvm,
        "-Xms64m",
        "-Xmx512m",
        "-cp",
        `${join(program, "classes")}:${join(program, "*")}`,
        "MongoWire",
        "127.0.0.1",
        String(port),
        "file",
        join(folder, "data", "data.mv")
      ]
    })
  }
}

// appendfsync no: with the default, everysec, a write that meets a running fsync is acknowledged before it is handed to the
// system, and kill -9 loses it.
const redisSettings = ["--appendonly", "yes", "--appendfsync", "no", "--save", ""]

const redis: Recipe<"REDIS_URL"> = {
  title: "Redis",
  variable: "REDIS_URL",
  url: (port) => `redis://127.0.0.1:${port}`,
  ready: async (port) => (await ask(port, Buffer.from("PING\r\n").toString("hex"))).toString().startsWith("+PONG"),
  container: { image: "redis:7.4-alpine", port: 6379, args: ["redis-server", ...redisSettings] },
  process: {
    needs: ["redis-server"],
    prepare: async ({ folder }) => void await mkdir(join(folder, "data"), { recursive: true }),
    command: ({ folder, ports: [port] }) => ({
      file: "redis-server",
      args: ["--bind", "127.0.0.1", "--port", String(port), "--dir", join(folder, "data"), ...redisSettings]
    })
  }
}

/** All there are. */
export const recipes = { kafka, registry, mongo, redis }
