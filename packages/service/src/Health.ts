import { Context, Duration, Effect, Exit, Layer, type Scope } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { SqlClient } from "effect/sql"
import { LoopHealth } from "@marketplace/events/Loop"
import { monotonicMillis } from "@marketplace/events/MonotonicMillis"

export interface Report {
  readonly ready: boolean
  /** By name; why one is down is in the log only. */
  readonly checks: Readonly<Record<string, "up" | "down">>
}

/**
 * Whether this process can do its work. What it needs registers here: connections when they are opened, background loops
 * when they start. In one process of several services all share one; a name says whose the check is: `order.database`.
 */
export class Health extends Context.Service<Health, {
  /**
   * Asked when somebody wants to know, at most once a second; a check that takes longer than two seconds has failed.
   * Names are public. Closing the scope takes the check away.
   */
  readonly register: (name: string, check: Effect.Effect<void, unknown>) => Effect.Effect<void, never, Scope.Scope>
  /**
   * A loop is well while its last success is younger than `within`; its start counts as one. Run the effect that is
   * returned after each success, also after one that found nothing to do.
   */
  readonly registerLoop: (name: string, within: Duration.Input) => Effect.Effect<Effect.Effect<void>, never, Scope.Scope>
  readonly report: Effect.Effect<Report>
  /** Not ready from now on: this process is about to stop. */
  readonly stop: Effect.Effect<void>
}>()("@marketplace/service/Health") {
  static readonly layerNoLoops = Layer.effect(Health, Effect.gen(function*() {
    const checks = new Set<Check>()
    let stopping = false

    const register = (name: string, run: Effect.Effect<void, unknown>) =>
      Effect.asVoid(Effect.acquireRelease(
        Effect.sync(() => {
          const check: Check = { name, run, up: true }
          checks.add(check)
          return check
        }),
        (check) => Effect.sync(() => checks.delete(check))
      ))

    const registerLoop = Effect.fnUntraced(function*(name: string, within: Duration.Input) {
      const longest = Duration.toMillis(Duration.fromInputUnsafe(within))
      let last = yield* monotonicMillis
      yield* register(name, Effect.flatMap(monotonicMillis, (now) =>
        now - last <= longest ? Effect.void : Effect.fail(`the last success was ${Math.round((now - last) / 1000)} s ago`)))
      return Effect.map(monotonicMillis, (now) => {
        last = now
      })
    })

    // Anybody may ask: the checks are not run more often because of that.
    const asked = yield* Effect.cachedWithTTL(
      Effect.suspend(() => Effect.forEach(checks, ask, { concurrency: "unbounded" })),
      "1 second"
    )

    return Health.of({
      register,
      registerLoop,
      report: Effect.map(asked, (answers) => ({
        ready: !stopping && answers.every(([, state]) => state === "up"),
        checks: Object.fromEntries(answers)
      })),
      stop: Effect.sync(() => {
        stopping = true
      })
    })
  }))

  /** The loops that move events tell here, too, that they are well. */
  static readonly layer = Layer.effect(LoopHealth, Effect.map(Health, ({ registerLoop }) => registerLoop)).pipe(
    Layer.provideMerge(this.layerNoLoops)
  )
}

/** A check of something this process cannot work without. */
export const layerCheck = <E, R>(name: string, check: Effect.Effect<unknown, E, R>) =>
  Layer.effectDiscard(Effect.gen(function*() {
    const { register } = yield* Health
    const context = yield* Effect.context<R>()
    yield* register(name, Effect.provide(Effect.asVoid(check), context))
  }))

/** Whether the service's database answers. */
export const layerDatabase = (service: string) =>
  layerCheck(`${service}.database`, Effect.flatMap(SqlClient.SqlClient, (sql) => sql`select 1`))

interface Check {
  readonly name: string
  readonly run: Effect.Effect<void, unknown>
  /** The last time; only a change is logged. */
  up: boolean
}

const ask = Effect.fnUntraced(function*(check: Check) {
  const exit = yield* Effect.exit(Effect.timeout(check.run, "2 seconds"))
  const before = check.up
  check.up = Exit.isSuccess(exit)
  if (Exit.isFailure(exit) && before) yield* Effect.logWarning(`${check.name} is down`, exit.cause)
  if (Exit.isSuccess(exit) && !before) yield* Effect.logInfo(`${check.name} is up again`)
  return [check.name, check.up ? "up" : "down"] as const
})

/**
 * `GET /health/live`: the process runs and answers. `GET /health/ready`: send it work; 503 while a check is down or the
 * process is about to stop.
 */
export const routes = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const health = yield* Health
  yield* router.add("GET", "/health/live", HttpServerResponse.jsonUnsafe({ live: true }))
  yield* router.add("GET", "/health/ready", Effect.map(health.report, (report) =>
    HttpServerResponse.jsonUnsafe(report, { status: report.ready ? 200 : 503 })))
}))
