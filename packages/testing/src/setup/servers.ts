import { readdirSync, rmSync } from "node:fs"
import { tmpdir, userInfo } from "node:os"
import { join } from "node:path"
import type { TestProject } from "vitest/node"
import { known, names, start } from "../../../../infra/local/Servers.ts"

declare module "vitest" {
  interface ProvidedContext {
    /** Hosts and ports, separated by commas. */
    kafkaBrokers: string
    /** The Confluent API. Its compatibility rule is FULL_TRANSITIVE. */
    schemaRegistryUrl: string
    mongodbUrl: string
    redisUrl: string
    /** For a test that hits a server: `start(names, { directory, say, detach: true })` takes over those that all tests share. */
    serversDirectory: string
  }
}

/** A directory is named by the user and the run that own it: what a killed run left is told from what another one uses. */
const prefix = `marketplace-servers-${userInfo().uid}-`

const isRunning = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM"
  }
}

const remove = async (directory: string) => {
  await Promise.all(known(names, directory).map((server) => server.reset()))
  rmSync(directory, { recursive: true, force: true })
}

const removeLeftOvers = async () => {
  for (const name of readdirSync(tmpdir()).filter((name) => name.startsWith(prefix))) {
    const owner = Number(name.slice(prefix.length))
    if (owner === process.pid || !isRunning(owner)) await remove(join(tmpdir(), name))
  }
}

/** The backing servers of the full profile, fresh for this run. Without one of them no test runs. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await removeLeftOvers()
  const directory = join(tmpdir(), `${prefix}${process.pid}`)
  const { servers } = await start(names, { directory, say: (line) => process.stderr.write(`${line}\n`) }).catch((error) => {
    error.stack = "" // the line says what to do; where it was written is of no use to anybody
    throw error
  })
  project.provide("kafkaBrokers", servers.kafka.url)
  project.provide("schemaRegistryUrl", servers.registry.url)
  project.provide("mongodbUrl", servers.mongo.url)
  project.provide("redisUrl", servers.redis.url)
  project.provide("serversDirectory", directory)
  return () => remove(directory)
}
