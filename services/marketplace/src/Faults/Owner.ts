import { Layer, Redacted } from "effect"
import * as Database from "@marketplace/postgres/Database"
import * as Cluster from "@marketplace/postgres/Embedded/Cluster"
import { PostgresServer } from "@marketplace/postgres/PostgresServer"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { postgresFolder } from "../Running.ts"

/** The embedded server of a marketplace that runs. Starts nothing. */
export const serverOf = (directory: string): PostgresServer["Service"] => {
  const [folder = ""] = Object.values(postgresFolder).map((name) => join(directory, name)).filter((name) => existsSync(name))
  const read = (name: string) => readFileSync(join(folder, name), "utf8")
  const [, port] = read("port").split(" ")
  const secret = read("password")
  return PostgresServer.at(Redacted.make(`postgres://${Cluster.owner}:${secret}@127.0.0.1:${port}/marketplace`), Redacted.make(secret))
}

/** Its database as the owner sees it; past the proxy of the services. */
export const layer = (directory: string) =>
  Layer.suspend(() => Database.layer({ url: serverOf(directory).ownerUrl, service: "faults", maxConnections: 1 }))
