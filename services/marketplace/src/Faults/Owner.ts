import { Layer, Redacted } from "effect"
import * as Database from "@marketplace/postgres/Database"
import * as Cluster from "@marketplace/postgres/Embedded/Cluster"
import { readFileSync } from "node:fs"
import { join } from "node:path"

/** The database of a marketplace that runs, as its owner sees it; past the proxy of the services. Starts nothing. */
export const layer = (directory: string) =>
  Layer.suspend(() => {
    const read = (name: string) => readFileSync(join(directory, "postgres", name), "utf8")
    const [, port] = read("port").split(" ")
    const url = Redacted.make(`postgres://${Cluster.owner}:${read("password")}@127.0.0.1:${port}/marketplace`)
    return Database.layer({ url, service: "faults", maxConnections: 1 })
  })
