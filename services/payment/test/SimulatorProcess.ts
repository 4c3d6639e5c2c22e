import { Effect, Redacted, Schedule, Schema, Scope } from "effect"
import { HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import type { Money } from "@marketplace/domain/Money"
import type { PaymentId } from "@marketplace/domain/Payment/Ids"
import type { PaymentMethod } from "@marketplace/domain/Payment/Payment"
import { PostgresServer } from "@marketplace/postgres/PostgresServer"
import { nextFreePort } from "@marketplace/service/Server"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { inject } from "vitest"

export const secret = "test_sk"

const Journal = Schema.Struct({
  entries: Schema.Array(Schema.Struct({
    kind: Schema.String,
    orderId: Schema.String,
    amount: Schema.Int,
    idempotencyKey: Schema.NullOr(Schema.String)
  }))
})

const Script = Schema.Struct({ faults: Schema.Array(Schema.Struct({ applied: Schema.Int })) })

/** As the simulator's README has it. */
export interface Plan {
  readonly fault: string
  readonly times?: number
  readonly delayMillis?: number
}

/** Of the simulator's package, which this one does not import. */
const launch = (file: string, env: Record<string, string>) =>
  Effect.sync(() =>
    spawn(process.execPath, [fileURLToPath(new URL(`../../simulator/${file}`, import.meta.url))], {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, ...env }
    })
  )

const stopped = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null

const kill = (child: ChildProcess) =>
  Effect.promise(async () => {
    if (stopped(child)) return
    const exited = once(child, "exit")
    child.kill("SIGKILL")
    await exited
  })

/**
 * The payment simulator as a process of its own, over the database of the test: a service does not import another, and a
 * process can be killed. Its faults, approvals and journal are reached over HTTP, as by anybody else.
 */
export const start = Effect.gen(function*() {
  const { ownerUrl, urlOf } = yield* PostgresServer
  const scope = yield* Effect.scope
  const http = yield* HttpClient.HttpClient
  const port = yield* nextFreePort("127.0.0.1", 24_000 + process.pid % 1_000)
  const url = `http://127.0.0.1:${port}`

  const ask = (request: HttpClientRequest.HttpClientRequest) =>
    request.pipe(
      HttpClientRequest.prependUrl(url),
      HttpClientRequest.basicAuth(secret, ""),
      http.execute,
      Effect.flatMap(HttpClientResponse.filterStatusOk)
    )

  const run = Effect.gen(function*() {
    const child = yield* launch("src/main.ts", {
      PORT: String(port),
      DATABASE_URL: Redacted.value(urlOf("simulator")),
      PAYMENT_SIMULATOR_SECRET: secret
    })
    yield* Scope.addFinalizer(scope, kill(child))
    yield* ask(HttpClientRequest.get("/health/ready")).pipe(
      Effect.retry({ schedule: Schedule.spaced("50 millis"), times: 600, while: () => !stopped(child) })
    )
    return child
  })

  const preparation = yield* launch("test/prepare.ts", {
    DATABASE_OWNER_URL: Redacted.value(ownerUrl),
    DATABASE_ROLE_SECRET: inject("postgresRoleSecret")
  })
  const [code] = yield* Effect.promise(() => once(preparation, "exit"))
  if (code !== 0) return yield* Effect.die(new Error("the simulator's database could not be prepared"))
  let child = yield* run

  return {
    url,
    /** `kill -9` and a new process on the same port. */
    restart: Effect.gen(function*() {
      yield* kill(child)
      child = yield* run
    }),
    approve: (paymentId: PaymentId, { amount, currency }: Money, method: PaymentMethod = "CARD") =>
      HttpClientRequest.post("/checkout/approvals").pipe(
        HttpClientRequest.bodyJsonUnsafe({ paymentId, amount, currency, method }),
        ask,
        Effect.flatMap(HttpClientResponse.schemaBodyJson(Schema.Struct({ paymentKey: Schema.String }))),
        Effect.map(({ paymentKey }) => paymentKey)
      ),
    plan: (paymentId: PaymentId, ...faults: ReadonlyArray<Plan>) =>
      ask(HttpClientRequest.put(`/script/${paymentId}`).pipe(HttpClientRequest.bodyJsonUnsafe({ faults }))),
    /** How often the planned faults have struck, in their order. */
    strikes: (paymentId: PaymentId) =>
      ask(HttpClientRequest.get(`/script/${paymentId}`)).pipe(
        Effect.flatMap(HttpClientResponse.schemaBodyJson(Script)),
        Effect.map(({ faults }) => faults.map(({ applied }) => applied))
      ),
    switchTo: (down: boolean) => ask(HttpClientRequest.put("/script").pipe(HttpClientRequest.bodyJsonUnsafe({ down }))),
    /** What the provider took and gave back, in order. */
    moved: (paymentId: PaymentId) =>
      ask(HttpClientRequest.get("/journal?limit=10000")).pipe(
        Effect.flatMap(HttpClientResponse.schemaBodyJson(Journal)),
        Effect.map(({ entries }) => entries.filter(({ kind, orderId }) => kind !== "APPROVAL" && orderId === paymentId))
      )
  }
}).pipe(Effect.provide(NodeHttpClient.layerNodeHttp))
