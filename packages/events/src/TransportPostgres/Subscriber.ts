import { Array, Duration, Effect, FiberMap, Metric, Queue } from "effect"
import type { SqlError } from "effect/sql"
import { PgClient } from "@effect/sql-pg"
import type { EventContext } from "@marketplace/schema/Topology"
import * as Metrics from "@marketplace/telemetry/Metrics"
import * as Codecs from "../Codecs.ts"
import { Fenced, handedOver, type Subscription } from "../EventTransport.ts"
import * as Leases from "../Leases.ts"
import * as Loop from "../Loop.ts"
import { persist } from "../Persistence.ts"
import { type Listener, Wakeups } from "../Wakeups.ts"
import * as Log from "./Log.ts"

export interface Options {
  /** How long a partition stays with an instance that is not heard of any more. */
  readonly lease: Duration.Duration
  /** How often the log is looked at when nobody says that there is something new. */
  readonly poll: Duration.Duration
  /** Events read at once, of one partition. */
  readonly batch: number
  /**
   * Whether a publisher wakes the consumers of other processes, by `NOTIFY`; a subscription then keeps a connection for
   * listening. Those of its own process are woken in any case.
   */
  readonly acrossProcesses: boolean
}

interface Offset {
  readonly context: EventContext
  readonly partition: number
  readonly position: bigint
}

/** A partition that this instance holds. */
interface Held extends Log.Cursor {
  readonly context: EventContext
  readonly epoch: bigint
  /** Read up to here; consumed up to the offset, which may be less. */
  position: bigint
  /** Its events are being handed over. */
  busy: boolean
  /** There may be more than was read. */
  more: boolean
}

interface Feed {
  readonly context: EventContext
  readonly log: Log.Log
  readonly listener: Listener
}

const keyOf = ({ context, partition }: Omit<Offset, "position">) => `${context}/${partition}`

/**
 * Consumes: holds partitions under a lease, reads those that have nothing under way, and hands each partition's events
 * over in their order.
 */
export const subscribe = (subscription: Subscription, owner: string, { acrossProcesses, batch, lease, poll }: Options) =>
  Effect.gen(function*() {
    const { consumer, contexts, handle, types } = subscription
    const sql = yield* PgClient.PgClient
    const wakeups = yield* Wakeups
    const offsets = sql.literal(`events.${consumer}_offset`)
    const leases = Leases.make(sql, {
      table: `events.${consumer}_offset`,
      key: "context, partition",
      among: sql`context = any (${contexts}::text[])`,
      owner,
      duration: lease
    })
    // After the work has been stopped, since the scope closes in reverse.
    yield* Effect.addFinalizer(() => Effect.ignore(Effect.timeout(leases.release, "2 seconds")))
    const held = new Map<string, Held>()
    const working = yield* FiberMap.make<string>()
    const feeds: ReadonlyArray<Feed> = yield* Effect.forEach(contexts, (context) =>
      Effect.map(wakeups.listen(`log/${context}`), (listener) => ({ context, listener, log: Log.make(sql, context) })))
    const wake = (context: EventContext) => feeds.find((feed) => feed.context === context)?.listener.wake ?? Effect.void

    /** Moves the offset, unless another instance has the partition: then its epoch is another. */
    const move = (one: Held, position: bigint): Effect.Effect<void, Fenced | SqlError.SqlError> =>
      Effect.flatMap(
        sql`update ${offsets} set position = ${position}
          where context = ${one.context} and partition = ${one.partition} and epoch = ${one.epoch} returning epoch`,
        (rows) => rows.length === 0 ? new Fenced({ consumer }) : Effect.void
      )

    const drop = (one: Held) => Effect.sync(() => held.get(keyOf(one)) === one && held.delete(keyOf(one)))

    const work = Effect.fnUntraced(function*(one: Held, entries: ReadonlyArray<Log.Entry>) {
      const deliveries = entries.flatMap(({ envelope, position }) =>
        envelope === undefined ? [] : [{ envelope, settle: move(one, position) }])
      for (const some of Array.chunksOf(deliveries, handedOver)) yield* handle(some)
      const last = entries.at(-1)
      if (last !== undefined && last.envelope === undefined) yield* move(one, last.position)
      one.busy = false
      if (one.more) yield* wake(one.context)
    }, (effect, one) =>
      effect.pipe(
        Effect.catchTag("Fenced", () => drop(one)),
        // What is left is a defect of the handler, or the offset of skipped events: read again from the stored offset.
        Effect.catchCause((cause) =>
          Effect.andThen(Effect.logError(`${consumer} stopped at ${keyOf(one)} and begins again`, cause), drop(one)))
      ))

    const succeeded = yield* Loop.register(`consumer.${consumer}`)
    const measure = (offsets: ReadonlyArray<Offset>) =>
      Effect.forEach(feeds, ({ context, log }) =>
        Effect.flatMap(
          log.lag(offsets.filter((one) => one.context === context)),
          (lag) => Metric.update(Metrics.consumerLag(consumer, context), lag)
        ), { discard: true })

    const claim = Effect.gen(function*() {
      const rows = yield* leases.claim<Offset>("position")
      const mine = new Set(rows.map(keyOf))
      for (const [key, one] of held) {
        if (mine.has(key)) continue
        held.delete(keyOf(one))
        yield* FiberMap.remove(working, key)
      }
      for (const row of rows) {
        const key = keyOf(row)
        if (held.get(key)?.epoch === row.epoch) continue
        yield* FiberMap.remove(working, key)
        held.set(key, { ...row, busy: false, more: false })
        yield* wake(row.context)
      }
      yield* measure(rows)
      yield* succeeded
    }).pipe(Effect.withTracerEnabled(false))

    const learn = Effect.fnUntraced(function*(log: Log.Log, entries: ReadonlyArray<Log.Entry>) {
      const unknown = new Set(entries.flatMap(({ envelope }) => envelope === undefined ? [] : [envelope.fingerprint]))
      for (const fingerprint of unknown) {
        if (Codecs.writerOf(fingerprint) !== undefined) continue
        const avro = yield* log.writerOf(fingerprint)
        if (avro !== undefined) Codecs.learn(avro)
      }
    })

    const follow = ({ context, listener, log }: Feed) => {
      const round = Effect.gen(function*() {
        const mine = [...held.values()].filter((one) => one.context === context)
        const idle = mine.filter(({ busy }) => !busy)
        for (const one of mine) one.more = one.busy
        if (idle.length === 0) return
        const entries = yield* Effect.withTracerEnabled(log.read(idle, types, batch), false)
        yield* learn(log, entries)
        for (const one of idle) {
          const own = entries.filter(({ partition }) => partition === one.partition)
          const last = own.at(-1)
          // It may have been lost while the log was read.
          if (last === undefined || held.get(keyOf(one)) !== one) continue
          Object.assign(one, { position: last.position, busy: true, more: own.length === batch })
          yield* FiberMap.run(working, keyOf(one), work(one, own))
        }
      })
      return Effect.forever(Effect.andThen(round.pipe(persist(`${consumer}: reading ${context}`)), listener.wait(poll)))
    }

    /** What was told before it listened, or while it did not, is found by looking. */
    const listening = Effect.scoped(Effect.gen(function*() {
      const told = yield* sql.listen("events")
      yield* Effect.forEach(contexts, wake)
      return yield* Effect.forever(Effect.flatMap(Queue.take(told), ({ payload }) => wakeups.wake(`log/${payload}`)))
    })).pipe(persist(`${consumer}: listening to other processes`))

    const renewing = Effect.forever(Effect.andThen(
      claim.pipe(persist(`${consumer}: claiming partitions`)),
      Effect.sleep(Duration.times(lease, 1 / 3))
    ))
    const loops = [renewing, ...feeds.map(follow), ...(acrossProcesses ? [listening] : [])]
    return yield* Effect.all(loops, { concurrency: "unbounded" }).pipe(Effect.andThen(Effect.never))
  }).pipe(Effect.scoped)
