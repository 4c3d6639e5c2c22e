import { Array, Cause, Clock, Deferred, Duration, Effect, Exit, Fiber, FiberMap, Metric, Option, Schedule } from "effect"
import type { Consumer, EachBatchPayload, Kafka, KafkaMessage } from "kafkajs"
import type { EventContext, EventName } from "@marketplace/schema/Topology"
import * as Metrics from "@marketplace/telemetry/Metrics"
import type { Envelope } from "../Envelope.ts"
import { type Delivery, Fenced, handedOver, type Settle, type Subscription, TransportUnavailable } from "../EventTransport.ts"
import * as Loop from "../Loop.ts"
import { spacing } from "../Wakeups.ts"
import { attempt } from "./Attempt.ts"
import * as Commits from "./Commits.ts"
import { typeOf } from "./Record.ts"
import { partitions, type Settings } from "./Settings.ts"
import * as Together from "./Together.ts"
import { topicOf } from "./Topics.ts"

/** How long a batch may keep the client from fetching other partitions, and from its heartbeat. */
const inline = Duration.seconds(1)
/** How often what was reached is committed. */
const commitEvery = Duration.millis(500)
/** The client fetches about once a second. After this long without, it has silently stopped. */
const stalledAfter = Duration.seconds(60)

/** From one rebalance to the next. */
interface Generation {
  /** Refuses once the partitions may be somebody else's. */
  readonly settle: Settle<Delivery>
  readonly byTopic: ReadonlyMap<string, { readonly context: EventContext; readonly together: Together.Together }>
}

/**
 * One membership in the consumer's group, until it breaks: the client's own restarts cannot be relied on, so whoever runs
 * this makes a new one.
 *
 * A partition's events are handed over in their order by a fiber of its own, together with those of the context's other
 * partitions that the same fetch brought. When that takes long, the partition is paused and the client goes on fetching and
 * telling the broker that it lives. Each rebalance begins a new generation: what was under way is interrupted, may not
 * settle or commit any more, and is delivered again to whoever has the partition now.
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
    const succeeded = yield* Loop.register(`consumer.${name}`)
    /** By topic and partition, of those that this member has. */
    const lags = new Map<string, number>()
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
    const commits = Commits.make(consumer, name)
    yield* Effect.addFinalizer(() => Effect.ignore(Effect.timeout(commits.commit, "2 seconds")))

    const begin = (): Generation => {
      const settle = () => Effect.suspend(() => generation.settle === settle ? Effect.void : new Fenced({ consumer: name }))
      const fork = (context: EventContext) => (run: Effect.Effect<void>) => FiberMap.run(lanes, `${context} together`, run)
      return {
        settle,
        byTopic: new Map(contexts.map((context) => [
          topicOf(settings, context),
          { context, together: Together.make({ handleAll, settle, fork: fork(context) }) }
        ]))
      }
    }
    let generation = begin()

    const isAlive = () => {
      alive = millis()
    }
    const newGeneration = () => {
      generation = begin()
      lags.clear()
      commits.forget()
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

    const measure = ({ batch }: EachBatchPayload, context: EventContext, last: string) => {
      const { highWatermark, partition, topic } = batch
      lags.set(`${topic}/${partition}`, Number(BigInt(highWatermark) - BigInt(last) - 1n))
      const lag = [...lags].reduce((sum, [key, lag]) => key.startsWith(`${topic}/`) ? sum + lag : sum, 0)
      return Metric.update(Metrics.consumerLag(name, context), lag)
    }

    const deliveriesOf = Effect.fnUntraced(function*(messages: ReadonlyArray<KafkaMessage>, context: EventContext) {
      const deliveries: Array<Delivery> = []
      for (const message of messages) {
        const type = typeOf(message, types)
        if (type === undefined) continue
        const envelope = yield* toEnvelope(context, type, message)
        if (envelope !== undefined) deliveries.push({ envelope })
        else yield* Effect.logError(`${name} skips a ${type} without the headers of an event`)
      }
      return deliveries
    })

    const consume = Effect.fnUntraced(function*(payload: EachBatchPayload, mine: Generation) {
      const { partition, topic } = payload.batch
      const known = mine.byTopic.get(topic)
      if (known === undefined) return
      const { context, together } = known
      const reached = (last: string) => {
        if (mine !== generation) return Effect.void
        commits.reached(topic, partition, last)
        return measure(payload, context, last)
      }
      for (const messages of Array.chunksOf(payload.batch.messages, handedOver)) {
        const deliveries = yield* deliveriesOf(messages, context)
        if (deliveries.length > 0 && !(yield* together(deliveries))) {
          yield* Effect.forEach(deliveries, (delivery) => handle(delivery, mine.settle), { discard: true })
        }
        yield* reached(messages[messages.length - 1]?.offset ?? payload.batch.lastOffset())
      }
      yield* reached(payload.batch.lastOffset())
    }, (effect) =>
      effect.pipe(
        Effect.catchTag("Fenced", () => Effect.void),
        Effect.tapCause((cause) => Cause.hasInterruptsOnly(cause) ? Effect.void : breakUp(`${name}: a handler died`, cause))
      ))

    const eachBatch = Effect.fnUntraced(function*(payload: EachBatchPayload) {
      const { batch, pause, resolveOffset } = payload
      const { partition, topic } = batch
      const mine = generation
      const lane = yield* FiberMap.run(lanes, `${topic}/${partition}`, consume(payload, mine))
      // An offset that is resolved is not fetched again by this member: only what was dealt with may be.
      const resolve = () => mine === generation && resolveOffset(batch.lastOffset())
      // Not before the next fetch finds more to bring.
      const [ended] = yield* Effect.all([Effect.timeoutOption(Fiber.await(lane), inline), Effect.sleep(spacing)], {
        concurrency: "unbounded"
      })
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
    yield* attempt("subscribing", () => consumer.subscribe({ topics: [...generation.byTopic.keys()], fromBeginning: true }))
    yield* attempt("running", () =>
      consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        partitionsConsumedConcurrently: contexts.length * partitions,
        eachBatch: (payload) => runPromise(eachBatch(payload))
      }))
    yield* commits.commit.pipe(Effect.repeat(Schedule.spaced(commitEvery)), Effect.forkScoped)
    return yield* Effect.raceFirst(Deferred.await(broken), watch).pipe(
      Effect.tapError((error) => joined ? Effect.logWarning(`${name} has lost Kafka`, error) : Effect.void)
    )
  })
