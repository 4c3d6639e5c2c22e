import { Duration, Layer } from "effect"
import * as OutboxSource from "@marketplace/events/OutboxSource"
import * as RepositoryPostgres from "../src/Products/RepositoryPostgres.ts"
import { catalogueContract } from "./catalogueContract.ts"
import { database } from "./World.ts"

catalogueContract({
  store: "PostgreSQL",
  World: RepositoryPostgres.layer.pipe(Layer.provideMerge(database)),
  source: OutboxSource.postgres("product", Duration.seconds(10))
})
