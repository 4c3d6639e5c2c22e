import { Layer } from "effect"
import * as RepositoryPostgres from "../src/Sessions/RepositoryPostgres.ts"
import { database, sessionContract } from "./sessionContract.ts"

sessionContract("PostgreSQL", RepositoryPostgres.layer.pipe(Layer.provideMerge(database)))
