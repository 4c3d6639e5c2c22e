import { Array, Cause, Clock, Deferred, Duration, Effect, Exit, Fiber, FiberMap, Metric, Option, Schedule } from "effect"
import type { Consumer, EachBatchPayload, Kafka, KafkaMessage } from "kafkajs"
import type { EventContext, EventName } from "@marketplace/schema/Topology"
import * as Metrics from "@marketplace/telemetry/Metrics"
import type { Envelope } from "../Envelope.ts"
import { Fenced, handedOver, type Subscription, TransportUnavailable } from "../EventTransport.ts"
import * as Loop from "../Loop.ts"
import { typeOf } from "./Record.ts"
import { partitions, type Settings } from "./Settings.ts"
import { topicOf } from "./Topics.ts"

/** How long a batch may keep the client from fetching other partitions, and from its heartbeat. */
const inline = Duration.seconds(1)
/** How often a long batch commits what it has done. */
const commitEvery = Duration.millis(500)
/** The client fetches about once a second. After this long without, it has silently stopped. */
const stalledAfter = Duration.seconds(60)

const attempt = <A>(what: string, run: () => Promise<A>) =>
  Effect.tryPromise({ try: run, catch: (cause) => new TransportUnavailable({ detail: `Kafka: ${what} failed`, cause }) })

/**
 * One membership in the consumer's group, until it breaks: the client's own restarts cannot be relied on, so whoever runs
 * this makes a new one.
 *
 * A partition's events are handed over in their order by a fiber of its own. When that takes long, the partition is paused
 * and the client goes on fetching and telling the broker that it lives. Each rebalance begins a new generation: what was
 * under way is interrupted, may not settle or commit any more, and is delivered again to whoever has the partition now.
 */
export const join = (
  kafka: Kafka,
  settings: Settings,
  { consumer: name, contexts, handle, handleAll, types }: Subscription,
  toEnvelope: (context: EventContext, type: EventName, message: KafkaMessage) => Effect.Effect<Envelope | undefined>
) =>
  Effect.gen(function*() {
    const clock = yield* Clock.Clock
    const millis = () => Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)
    const scope = yield* Effect.scope
    const lanes = yield* FiberMap.make<string>()
    const broken = yield* Deferred.make<never, TransportUnavailable>()
    const runPromise = Effect.runPromiseWith(yield* Effect.context<never>())
    const byTopic = new Map(contexts.map((context) => [topicOf(settings, context), context]))
    const succeeded = yield* Loop.register(`consumer.${name}`)
    /** By topic and partition, of those that this member has. */
    const lags = new Map<string, number>()
    let generation = 0
    let joined = false
    let alive = millis()

    const consumer: Consumer = yield* Effect.acquireRelease(
      Effect.sync(() => kafka.consumer({
        groupId: `${settings.prefix}${name}`,
        sessionTimeout: Duration.toMillis(settings.sessionTimeout),
        heartbeatInterval: Math.floor(Duration.toMillis(settings.sessionTimeout) / 5),
        rebalanceTimeout: 2 * Duration.toMillis(settings.sessionTimeout),
        maxWaitTimeInMs: 1000,
        allowAutoTopicCreation: false,
        retry: { initialRetryTime: 100, retries: 5, maxRetryTime: 1000, restartOnFailure: () => Promise.resolve(false) }
      })),
      // It may wait for answers that never come.
      (consumer) => Effect.ignore(Effect.timeout(attempt("disconnecting", () => consumer.disconnect()), "5 seconds"))
    )

    const isAlive = () => {
      alive = millis()
    }
    const newGeneration = () => {
      generation++
      lags.clear()
      isAlive()
      return runPromise(FiberMap.clear(lanes))
    }
    consumer.on("consumer.rebalancing", newGeneration)
    consumer.on("consumer.group_join", () => {
      joined = true
      return newGeneration()
    })
    consumer.on("consumer.fetch", () => {
      isAlive()
      return runPromise(succeeded)
    })
    consumer.on("consumer.heartbeat", isAlive)
    const breakUp = (detail: string, cause: unknown) => Deferred.fail(broken, new TransportUnavailable({ detail, cause }))
    consumer.on("consumer.crash", ({ payload: { error } }) => runPromise(breakUp(`Kafka: the consumer ${name} crashed`, error)))

    /** As long as the generation lasts: a later one may be somebody else's. A failed commit is made good by the next. */
    const commit = ({ batch: { partition, topic }, commitOffsetsIfNecessary }: EachBatchPayload, mine: number, last: string) =>
      Effect.suspend(() => {
        if (mine !== generation) return Effect.void
        const topics = [{ topic, partitions: [{ partition, offset: String(BigInt(last) + 1n) }] }]
        return attempt("committing", () => commitOffsetsIfNecessary({ topics })).pipe(
          Effect.catch((error) => Effect.logDebug(`${name}: an offset is committed later`, error))
        )
      })

    const measure = ({ batch }: EachBatchPayload, context: EventContext, last: string) => {
      const { highWatermark, partition, topic } = batch
      lags.set(`${topic}/${partition}`, Number(BigInt(highWatermark) - BigInt(last) - 1n))
      const lag = [...lags].reduce((sum, [key, lag]) => key.startsWith(`${topic}/`) ? sum + lag : sum, 0)
      return Metric.update(Metrics.consumerLag(name, context), lag)
    }

    const consume = Effect.fnUntraced(function*(payload: EachBatchPayload, context: EventContext, mine: number) {
      const settle = () => Effect.suspend(() => mine === generation ? Effect.void : new Fenced({ consumer: name }))
      let committed = millis()
      for (const messages of Array.chunksOf(payload.batch.messages, handedOver)) {
        const envelopes = yield* Effect.forEach(messages, Effect.fnUntraced(function*(message) {
          const type = typeOf(message, types)
          const envelope = type === undefined ? undefined : yield* toEnvelope(context, type, message)
          if (type !== undefined && envelope === undefined) {
            yield* Effect.logError(`${name} skips a ${type} without the headers of an event`)
          }
          return envelope
        }))
        const deliveries = envelopes.flatMap((envelope) => envelope === undefined ? [] : [{ envelope }])
        if (deliveries.length > 0 && !(yield* handleAll(deliveries, settle))) {
          yield* Effect.forEach(deliveries, (delivery) => handle(delivery, settle), { discard: true })
        }
        const last = messages[messages.length - 1]
        if (last !== undefined && millis() - committed >= Duration.toMillis(commitEvery)) {
          yield* commit(payload, mine, last.offset)
          yield* measure(payload, context, last.offset)
          committed = millis()
        }
      }
      yield* commit(payload, mine, payload.batch.lastOffset())
      yield* measure(payload, context, payload.batch.lastOffset())
    }, (effect) =>
      effect.pipe(
        Effect.catchTag("Fenced", () => Effect.void),
        Effect.tapCause((cause) => Cause.hasInterruptsOnly(cause) ? Effect.void : breakUp(`${name}: a handler died`, cause))
      ))

    const eachBatch = Effect.fnUntraced(function*(payload: EachBatchPayload) {
      const { batch, pause, resolveOffset } = payload
      const { partition, topic } = batch
      const context = byTopic.get(topic)
      if (context === undefined) return
      const mine = generation
      const lane = yield* FiberMap.run(lanes, `${topic}/${partition}`, consume(payload, context, mine))
      // An offset that is resolved is not fetched again by this member: only what was dealt with may be.
      const resolve = () => mine === generation && resolveOffset(batch.lastOffset())
      const ended = yield* Effect.timeoutOption(Fiber.await(lane), inline)
      if (Option.isSome(ended)) {
        if (Exit.isSuccess(ended.value)) resolve()
        return
      }
      const resume = pause()
      resolve()
      yield* Fiber.await(lane).pipe(
        Effect.tap((exit) => Exit.isSuccess(exit) || mine !== generation ? Effect.sync(resume) : Effect.void),
        Effect.forkIn(scope)
      )
    })

    const watch = Effect.suspend(() =>
      millis() - alive < Duration.toMillis(stalledAfter)
        ? Effect.void
        : new TransportUnavailable({ detail: `Kafka: the consumer ${name} has stalled`, cause: undefined })
    ).pipe(Effect.repeat(Schedule.spaced("5 seconds")), Effect.andThen(Effect.never))

    yield* attempt("connecting", () => consumer.connect())
    yield* attempt("subscribing", () => consumer.subscribe({ topics: [...byTopic.keys()], fromBeginning: true }))
    yield* attempt("running", () =>
      consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        partitionsConsumedConcurrently: contexts.length * partitions,
        eachBatch: (payload) => runPromise(eachBatch(payload))
      }))
    return yield* Effect.raceFirst(Deferred.await(broken), watch).pipe(
      Effect.tapError((error) => joined ? Effect.logWarning(`${name} has lost Kafka`, error) : Effect.void)
    )
  })
