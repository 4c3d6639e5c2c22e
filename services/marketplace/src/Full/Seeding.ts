import { ConfigProvider, Effect, Layer } from "effect"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as Outbox from "@marketplace/events/Outbox"
import { Mongo } from "@marketplace/mongo/Mongo"
import * as Database from "@marketplace/postgres/Database"
import { Products } from "@marketplace/product/Products"
import * as ProductRepositoryMongo from "@marketplace/product/Products/RepositoryMongo"
import { StockRepository } from "@marketplace/product/Stock/Repository"
import { Members } from "@marketplace/user/Members"
import { MemberRepository } from "@marketplace/user/Members/Repository"
import { Passwords } from "@marketplace/user/Passwords"
import { Settings } from "@marketplace/user/Settings"
import { seedMembers, seedProducts } from "../Seed.ts"
import type { Environment, ProcessName } from "./Environment.ts"

const as = (environment: Environment) => Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: environment })))

const members = Members.layer.pipe(
  Layer.provide([MemberRepository.layer, Passwords.layer]),
  Layer.provide([Outbox.Outbox.layer("user"), Settings.layer]),
  Layer.provide(Database.layerConfig("seed"))
)

const products = Layer.merge(Products.layer, StockRepository.layer).pipe(
  Layer.provide(ProductRepositoryMongo.layer),
  Layer.provide([Outbox.Outbox.layer("product"), Mongo.layerConfig]),
  Layer.provide(Database.layerConfig("seed"))
)

/** Seeds the stores of the full profile with the rights of the services that own them; these publish what it tells. */
export const seed = Effect.fn("Seeding.seed")(function*(environmentOf: (name: ProcessName) => Environment) {
  yield* Effect.provide(seedMembers, members.pipe(as(environmentOf("user"))))
  yield* Effect.provide(seedProducts, products.pipe(as(environmentOf("product"))))
}, Effect.provide(NodeCrypto.layerSecureRandom))
