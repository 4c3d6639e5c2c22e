import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Console, Effect, Layer, Logger, Redacted, References, Schema } from "effect"
import * as Redaction from "@marketplace/telemetry/Redaction"
import * as Telemetry from "@marketplace/telemetry/Telemetry"
import { capture } from "./captured.ts"

const jwt = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLWNhbmFyeQ"
const canaries = [
  "canary-redacted", "canary-password", "canary-driver", "canary-bearer-0123", "canary-url", "canary-nested",
  "c2lnbmF0dXJlLWNhbmFyeQ", "kim@example.kr"
]

/** What a driver throws: a message, and the row as properties. */
class DriverError extends Error {
  readonly detail = "Key (email)=(kim@example.kr) canary-driver"
  constructor() {
    super("connect to postgres://app:canary-url@db:5432/order failed")
  }
}

class Refused extends Schema.TaggedError<Refused>()("Refused", {
  cause: Schema.Defect(),
  secret: Schema.Redacted(Schema.String)
}) {}

const leaky = Effect.gen(function*() {
  const secret = Redacted.make("canary-redacted")
  yield* Effect.logInfo("token", secret, { nested: { secret, password: "canary-nested" } })
  yield* Effect.logInfo("mail to kim@example.kr, Authorization: Bearer canary-bearer-0123")
  yield* Effect.logInfo(`jwt ${jwt}`).pipe(
    Effect.annotateLogs({ secret, password: "canary-password", "marketplace.order.id": "o-1" })
  )
  yield* Effect.logWarning("reading failed and is tried again", new DriverError())
  yield* Effect.logWarning({ error: new DriverError() }).pipe(Effect.annotateLogs("error", new DriverError()))
  yield* Effect.fail(new Refused({ cause: new DriverError(), secret })).pipe(
    Effect.catchCause((cause) => Effect.logError("gave up", cause))
  )
})

const logged = Effect.fnUntraced(function*(env: Record<string, string>, effect: Effect.Effect<unknown, unknown>) {
  const { console, err, out } = capture()
  yield* Effect.orDie(effect).pipe(
    Effect.provide(Telemetry.layerConfig("order").pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env }))))),
    Effect.provideService(Console.Console, console)
  )
  return { out, err }
})

describe("Logging", () => {
  it.effect("writes JSON lines with the ids of the span they belong to", () =>
    Effect.gen(function*() {
      const { out } = yield* logged({ LOG_FORMAT: "json" }, Effect.gen(function*() {
        const span = yield* Effect.currentSpan
        yield* Effect.logInfo("placed", { lines: 2 })
        yield* Effect.logInfo("untraced").pipe(Effect.withSpan("inner"), Effect.withTracerEnabled(false))
        return yield* Effect.logDebug(span.traceId)
      }).pipe(Effect.withSpan("place"), Effect.annotateLogs("marketplace.order.id", "o-1")))
      const [first, second] = out.map((line) => JSON.parse(line))
      assert.strictEqual(out.length, 2, "debug is below the default level")
      assert.strictEqual(first.message, "placed {\"lines\":2}")
      assert.strictEqual(first.level, "INFO")
      assert.strictEqual(first.service, "order")
      assert.match(first.trace_id, /^[0-9a-f]{32}$/)
      assert.match(first.span_id, /^[0-9a-f]{16}$/)
      assert.deepStrictEqual(first.attributes, { "marketplace.order.id": "o-1" })
      assert.strictEqual(second.span_id, first.span_id, "a span that is switched off does not hide the real one")
    }))

  for (const format of ["json", "pretty"]) {
    it.effect(`writes no secrets and no e-mail addresses (${format})`, () =>
      Effect.gen(function*() {
        const { out } = yield* logged({ LOG_FORMAT: format }, leaky)
        const text = out.join("\n")
        for (const canary of canaries) assert.notInclude(text, canary)
        assert.include(text, "postgres://<redacted>@db:5432/order", "what is left still helps")
        assert.include(text, "Logging.test.ts", "so does the stack")
        assert.include(text, "o-1")
      }))
  }

  it.effect("keeps one entry on one line, whatever the text is", () =>
    Effect.gen(function*() {
      const forged = "hello\n2026-01-01 ERROR everything is lost\x1b[2J\u0085"
      const { out } = yield* logged({ LOG_FORMAT: "pretty" }, Effect.logWarning(forged).pipe(Effect.annotateLogs("name", forged)))
      assert.strictEqual(out.length, 1)
      // oxlint-disable-next-line no-control-regex
      assert.notMatch(out[0]!, /[\n\x1b\u0085]/)
      assert.include(out[0], "WARN")
      assert.include(out[0], "hello\\n2026")
    }))

  it.effect("takes level and name from the environment, in any case", () =>
    Effect.gen(function*() {
      const env = { LOG_FORMAT: "json", LOG_LEVEL: "WARN", OTEL_SERVICE_NAME: "orders-eu" }
      const { out } = yield* logged(env, Effect.andThen(Effect.logInfo("a"), Effect.logWarning("b")))
      assert.deepStrictEqual(out.map((line) => [JSON.parse(line).message, JSON.parse(line).service]), [["b", "orders-eu"]])
    }))

  it.effect("refuses settings that it does not understand", () =>
    Effect.gen(function*() {
      const settings = { LOG_LEVEL: "loud", LOG_FORMAT: "xml", OTEL_EXPORTER_OTLP_PROTOCOL: "grpc", OTEL_TRACES_SAMPLER_ARG: "2" }
      for (const [name, value] of Object.entries(settings)) {
        const error = yield* Effect.flip(logged({ [name]: value }, Effect.void))
        assert.strictEqual(error._tag, "ConfigError")
        assert.include(error.message, name)
      }
    }))

  it.effect("leaves stdout to a command that asks for it, and other loggers out", () =>
    Effect.gen(function*() {
      const { err, out } = yield* logged({ LOG_FORMAT: "json" }, Effect.gen(function*() {
        assert.strictEqual((yield* Logger.CurrentLoggers).size, 1)
        yield* Effect.logInfo("a").pipe(Effect.provideService(References.LogToStderr, true))
      }))
      assert.deepStrictEqual([out.length, err.length], [0, 1])
    }))
})

describe("Redaction", () => {
  // A rule that looks at a text again and again would need minutes for one of these.
  it("gets through long hostile texts", () => {
    for (const part of ["eyJ", "-eyJ", "a", "a.", "token: ", "://a", "password=", "@", "a@", "a@b.", "Bearer ", "cookie"]) {
      assert.notInclude(Redaction.text(`${part.repeat(400_000 / part.length)} Bearer canary-0123`), "canary", part)
    }
  })

  it("hides values of headers, fields and queries by their names", () => {
    const cases: ReadonlyArray<readonly [string, string]> = [
      ["cookie: sid=s3; theme=dark", "cookie: <redacted>"],
      ["{\"accessToken\":\"s3 s4\",\"n\":1}", "{\"accessToken\":<redacted>,\"n\":1}"],
      ["GET /verify?token=s3&lang=ko", "GET /verify?token=<redacted>&lang=ko"],
      ["/members?email=kim%40example.kr", "/members?email=<email>"],
      ["at effect@4.1.0/node_modules/@effect/x.ts:1", "at effect@4.1.0/node_modules/@effect/x.ts:1"]
    ]
    for (const [text, expected] of cases) assert.strictEqual(Redaction.text(text), expected)
  })
})
