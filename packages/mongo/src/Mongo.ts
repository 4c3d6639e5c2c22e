import { Config, Context, Effect, Layer, Redacted, Schedule, Schema } from "effect"
import {
  type Collection,
  type Document,
  MongoAPIError,
  MongoClient,
  MongoClientClosedError,
  MongoError as DriverError,
  MongoNotConnectedError,
  MongoParseError,
  MongoServerError,
  MongoTopologyClosedError
} from "mongodb"
import { Database } from "@marketplace/telemetry/Names"

/** MongoDB cannot be reached or cannot serve at the moment. What it was asked may or may not have happened. */
export class MongoUnavailable extends Schema.TaggedError<MongoUnavailable>()("MongoUnavailable", { cause: Schema.Defect() }) {}

/** MongoDB refused what it was asked, and would again. */
export class MongoRefused extends Schema.TaggedError<MongoRefused>()("MongoRefused", {
  /** DUPLICATE: a unique index has the value already. INVALID: the command is wrong, or not allowed. */
  reason: Schema.Literals(["DUPLICATE", "INVALID"]),
  cause: Schema.Defect()
}) {}

/**
 * A connection to MongoDB. Code keeps to what MongoDB 7 and 8 and Amazon DocumentDB 5 share: one document is one atomic
 * write, there are no transactions, and a write whose answer was lost is not sent again by the driver.
 *
 * What was written survives the loss of a minority of the servers, and what was read cannot be taken back by one. Binary
 * values are `Uint8Array`s both ways.
 */
export class Mongo extends Context.Service<Mongo, {
  readonly collection: <D extends Document>(name: string) => Collection<D>
  /** Ends within seconds, also while MongoDB is away or does not answer; afterwards it recovers by itself. */
  readonly run: <A>(command: () => Promise<A>) => Effect.Effect<A, MongoRefused | MongoUnavailable>
  /** Whether MongoDB answers. */
  readonly ping: Effect.Effect<void, MongoRefused | MongoUnavailable>
}>()("@marketplace/mongo/Mongo") {
  /** `MONGODB_URL` and `MONGODB_DATABASE` (marketplace). Starts also while MongoDB is away. */
  static readonly layerConfig = Layer.effect(Mongo, Effect.gen(function*() {
    const url = yield* Config.Redacted("MONGODB_URL")
    const name = yield* Config.String("MONGODB_DATABASE").pipe(Config.withDefault("marketplace"))
    let isClosed = false
    const client = yield* Effect.acquireRelease(
      Effect.sync(() => new MongoClient(Redacted.value(url), options)),
      (open) =>
        Effect.promise(() => {
          isClosed = true
          return open.close()
        })
    )
    // By itself the driver never tries again when its very first connection failed: its topology stays closed. Where there
    // is a connection this does nothing; and what has been closed would be opened by it.
    const connect = () => isClosed ? Promise.resolve() : client.connect()
    const attributes = { [Database.system]: "mongodb", [Database.namespace]: name }
    const run = <A>(command: () => Promise<A>) =>
      Effect.tryPromise({ try: () => connect().then(command), catch: failure }).pipe(
        Effect.withSpan("mongodb", { kind: "client", attributes }, { captureStackTrace: false })
      )
    return Mongo.of({
      collection: (collection) => client.db(name).collection(collection),
      run,
      ping: Effect.asVoid(run(() => client.db(name).command({ ping: 1 })))
    })
  }))
}

/** At boot MongoDB may not be there yet: says so, and asks for at most a minute. */
export const untilThere = (who: string) => <A, E, R>(ask: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  ask.pipe(
    Effect.tapError((error) => isAway(error) ? Effect.logWarning(`${who} waits for MongoDB`, error) : Effect.void),
    Effect.retry({
      while: isAway,
      schedule: Schedule.min([Schedule.exponential("250 millis"), Schedule.spaced("5 seconds")]).pipe(
        Schedule.upTo({ duration: "60 seconds" })
      )
    })
  )

const isAway = (error: unknown) => error instanceof MongoUnavailable

const options = {
  retryWrites: false,
  writeConcern: { w: "majority", journal: true },
  readConcern: { level: "majority" },
  ignoreUndefined: true,
  promoteBuffers: true,
  // the driver would wait 30 s for a server, as long for a connection, and for ever for an answer or a place in its pool
  serverSelectionTimeoutMS: 3_000,
  connectTimeoutMS: 3_000,
  socketTimeoutMS: 5_000,
  waitQueueTimeoutMS: 5_000
} as const

/** Error codes: mongodb.com/docs/manual/reference/error-codes. */
const duplicateKey = 11_000

/** Answers of a server that cannot serve now: it starts, stops, is no primary any more, waits in vain for others, is full. */
const temporary: ReadonlySet<unknown> = new Set([
  6, // HostUnreachable
  7, // HostNotFound
  18, // AuthenticationFailed: credentials that are being rotated, and nothing that the work could do better
  24, // LockTimeout
  50, // MaxTimeMSExpired
  64, // WriteConcernTimeout
  89, // NetworkTimeout
  91, // ShutdownInProgress
  100, // UnsatisfiableWriteConcern
  112, // WriteConflict
  133, // FailedToSatisfyReadPreference
  134, // ReadConcernMajorityNotAvailableYet
  189, // PrimarySteppedDown
  202, // NetworkInterfaceExceededTimeLimit
  262, // ExceededTimeLimit
  9_001, // SocketException
  10_107, // NotWritablePrimary
  11_600, // InterruptedAtShutdown
  11_602, // InterruptedDueToReplStateChange
  13_435, // NotPrimaryNoSecondaryOk
  13_436, // NotPrimaryOrSecondary
  14_031 // OutOfDiskSpace
])

const closed = [MongoNotConnectedError, MongoTopologyClosedError, MongoClientClosedError]

const isUnavailable = (cause: unknown): boolean => {
  // without a code it is an error of the driver that a bulk write was wrapped around
  if (cause instanceof MongoServerError) return cause.code === undefined || temporary.has(cause.code)
  // closed under a command that is under way
  if (closed.some((error) => cause instanceof error)) return true
  return cause instanceof DriverError && !(cause instanceof MongoAPIError) && !(cause instanceof MongoParseError)
}

const failure = (cause: unknown) => {
  if (isUnavailable(cause)) return new MongoUnavailable({ cause })
  const isDuplicate = cause instanceof MongoServerError && cause.code === duplicateKey
  return new MongoRefused({ reason: isDuplicate ? "DUPLICATE" : "INVALID", cause })
}
