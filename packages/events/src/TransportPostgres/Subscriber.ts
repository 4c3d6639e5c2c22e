import { Duration, Effect, FiberMap, Metric, Queue } from "effect"
import { PgClient } from "@effect/sql-pg"
import type { EventContext } from "@marketplace/schema/Topology"
import * as Metrics from "@marketplace/telemetry/Metrics"
import * as Codecs from "../Codecs.ts"
import { type Delivery, Fenced, handedOver, type Subscription } from "../EventTransport.ts"
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
  /** What the offset was last moved to; behind those read after it that were not asked for. */
  offset: bigint
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

/** How far a partition is consumed. */
interface Reached {
  readonly one: Held
  readonly position: bigint
}

/** An event that is to be handed over; when it is done, so are those after it that were not asked for. */
interface Due extends Delivery, Reached {}

const duesOf = (one: Held, entries: ReadonlyArray<Log.Entry>): ReadonlyArray<Due> => {
  const dues: Array<Due> = []
  let done = entries.at(-1)?.position ?? one.position
  for (const { envelope, position } of entries.toReversed()) {
    if (envelope === undefined) continue
    dues.push({ envelope, one, position: done })
    done = position - 1n
  }
  return dues.reverse()
}

const keyOf = ({ context, partition }: Omit<Offset, "position">) => `${context}/${partition}`

/**
 * Consumes: holds partitions under a lease, reads those that have nothing under way, and hands each partition's events
 * over in their order.
 */
export const subscribe = (subscription: Subscription, owner: string, { acrossProcesses, batch, lease, poll }: Options) =>
  Effect.gen(function*() {
    const { consumer, contexts, handle, handleAll, types } = subscription
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

    /** Moves the offsets, unless another instance has one of the partitions: then its epoch is another. */
    const settle = (reached: ReadonlyArray<Reached>) => {
      const last = [...new Map(reached.map(({ one, position }) => [one, position]))]
      const [context, partitions] = [last[0]?.[0].context, last.map(([{ partition }]) => partition)]
      const [epochs, positions] = [last.map(([{ epoch }]) => epoch), last.map(([, position]) => position)]
      return Effect.flatMap(
        sql`update ${offsets} o set position = greatest(o.position, m.position)
          from unnest(${partitions}::int[], ${epochs}::int8[], ${positions}::int8[]) as m (partition, epoch, position)
          where o.context = ${context} and o.partition = m.partition and o.epoch = m.epoch returning o.partition`,
        (rows) => rows.length < last.length ? new Fenced({ consumer }) : Effect.sync(() => {
          for (const [one, position] of last) one.offset = position
        })
      )
    }

    /** Where nothing was asked for, offsets move now and then only. */
    const settleSkipped = Effect.forEach(contexts, (context) => {
      const skipped = [...held.values()].filter((one) => one.context === context && !one.busy && one.offset < one.position)
      return skipped.length === 0 ? Effect.void : Effect.catchTag(
        settle(skipped.map((one) => ({ one, position: one.position }))), "Fenced", () => Effect.void)
    }, { discard: true })

    const drop = (one: Held) => Effect.sync(() => held.get(keyOf(one)) === one && held.delete(keyOf(one)))

    /** One by one, so that one event's trouble is not that of other partitions. */
    const work = Effect.fnUntraced(function*(one: Held, dues: ReadonlyArray<Due>) {
      for (const due of dues) yield* handle(due, settle)
      one.busy = false
      if (one.more) yield* wake(one.context)
    }, (effect, one) =>
      effect.pipe(
        Effect.catchTag("Fenced", () => drop(one)),
        // What is left is a defect of the handler: read again from the stored offset.
        Effect.catchCause((cause) =>
          Effect.andThen(Effect.logError(`${consumer} stopped at ${keyOf(one)} and begins again`, cause), drop(one)))
      ))

    /** All partitions' events in as few transactions as possible; from where that does not succeed, each partition by itself. */
    const handOver = Effect.fnUntraced(function*(dues: ReadonlyArray<Due>) {
      let done = 0
      while (done < dues.length && (yield* handleAll(dues.slice(done, done + handedOver), settle))) done += handedOver
      const left = Map.groupBy(dues.slice(done), ({ one }) => one)
      for (const { one } of dues) one.busy = left.has(one)
      for (const [one, own] of left) {
        if (held.get(keyOf(one)) === one) yield* FiberMap.run(working, keyOf(one), work(one, own))
      }
    })

    const succeeded = yield* Loop.register(`consumer.${consumer}`)
    const measure = (offsets: ReadonlyArray<Offset>) =>
      Effect.forEach(feeds, ({ context, log }) =>
        Effect.flatMap(
          log.lag(offsets.filter((one) => one.context === context)),
          (lag) => Metric.update(Metrics.consumerLag(consumer, context), lag)
        ), { discard: true })

    const claim = Effect.gen(function*() {
      yield* settleSkipped
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
        held.set(key, { ...row, offset: row.position, busy: false, more: false })
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
        const dues = idle.flatMap((one) => {
          const own = entries.filter(({ partition }) => partition === one.partition)
          const last = own.at(-1)
          // It may have been lost while the log was read.
          if (last === undefined || held.get(keyOf(one)) !== one) return []
          const dues = duesOf(one, own)
          Object.assign(one, { position: last.position, busy: dues.length > 0, more: own.length === batch })
          return dues
        })
        yield* handOver(dues)
        if (idle.some(({ busy, more }) => more && !busy)) yield* listener.wake
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
