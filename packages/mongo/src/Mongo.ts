import { Config, Context, Effect, Layer, Redacted, Schema } from "effect"
import { type Collection, type Document, MongoClient, MongoServerError } from "mongodb"

/** MongoDB did not do what it was asked. */
export class MongoError extends Schema.TaggedError<MongoError>()("MongoError", {
  /** DUPLICATE: a unique index refused it. UNAVAILABLE: no answer, so it may or may not have happened. */
  reason: Schema.Literals(["DUPLICATE", "UNAVAILABLE", "REFUSED"]),
  cause: Schema.Defect()
}) {}

/**
 * A connection to MongoDB. Code keeps to what MongoDB 7 and 8 and Amazon DocumentDB 5 share: one document is one atomic
 * write, there are no transactions, and a write whose answer was lost is not sent again by the driver.
 */
export class Mongo extends Context.Service<Mongo, {
  readonly collection: <D extends Document>(name: string) => Collection<D>
  readonly run: <A>(command: () => Promise<A>) => Effect.Effect<A, MongoError>
}>()("@marketplace/mongo/Mongo") {
  /** `MONGODB_URL` and `MONGODB_DATABASE` (marketplace). Starts also while MongoDB is away. */
  static readonly layerConfig = Layer.effect(Mongo, Effect.gen(function*() {
    const url = yield* Config.Redacted("MONGODB_URL")
    const name = yield* Config.String("MONGODB_DATABASE").pipe(Config.withDefault("marketplace"))
    const client = yield* Effect.acquireRelease(
      Effect.sync(() =>
        new MongoClient(Redacted.value(url), { retryWrites: false, ignoreUndefined: true, serverSelectionTimeoutMS: 3_000, socketTimeoutMS: 10_000 })
      ),
      (open) => Effect.promise(() => open.close())
    )
    return Mongo.of({
      collection: (collection) => client.db(name).collection(collection),
      run: (command) => Effect.tryPromise({ try: command, catch: failure })
    })
  }))
}

/** Error codes: mongodb.com/docs/manual/reference/error-codes. */
const duplicateKey = 11_000

const failure = (cause: unknown) =>
  new MongoError({
    reason: !(cause instanceof MongoServerError) ? "UNAVAILABLE" : cause.code === duplicateKey ? "DUPLICATE" : "REFUSED",
    cause
  })
