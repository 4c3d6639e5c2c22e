import { assert, describe, it } from "@effect/vitest"
import type { SpanRecord } from "@marketplace/telemetry/SpanRecord"
import * as TraceTree from "@marketplace/telemetry/TraceTree"

const span = (
  spanId: string,
  parentSpanId: string | null,
  service: string,
  name: string,
  start: number,
  duration: number,
  rest: Partial<SpanRecord> = {}
): SpanRecord => ({
  traceId: "t", spanId, parentSpanId, service, name, kind: "internal",
  start, duration, status: "ok", error: null, attributes: {}, ...rest
})

const shuffled = <A>(items: ReadonlyArray<A>): ReadonlyArray<ReadonlyArray<A>> =>
  items.map((_, i) => [...items.slice(i), ...items.slice(0, i)])

describe("TraceTree", () => {
  it("shows parents before children across services, siblings by start, in whatever order they come", () => {
    const spans = [
      span("1", null, "gateway", "POST /orders", 1000, 60, { kind: "server" }),
      span("2", "1", "order", "POST /orders", 1002.5, 55, { kind: "server", status: "error", error: "OutOfStock" }),
      span("4", "2", "product", "ReserveStock", 1010, 12.34, { kind: "server" }),
      span("3", "2", "order", "Checkout.place", 1003, 50),
      span("5", "2", "order", "a tie", 1010, 0, { status: "interrupted" }),
      span("6", "gone", "order", "process PaymentCompleted", 2000, 5, { kind: "consumer" })
    ]
    const expected = [
      "gateway  POST /orders  [server]                       +0.0 ms       60.0 ms  ok",
      "  order  POST /orders  [server]                       +2.5 ms       55.0 ms  error: OutOfStock",
      "    order  Checkout.place  [internal]                 +3.0 ms       50.0 ms  ok",
      "    product  ReserveStock  [server]                  +10.0 ms       12.3 ms  ok",
      "    order  a tie  [internal]                         +10.0 ms        0.0 ms  interrupted",
      "(…) order  process PaymentCompleted  [consumer]    +1000.0 ms        5.0 ms  ok"
    ].join("\n")
    for (const order of shuffled(spans)) assert.strictEqual(TraceTree.render(order), expected)
  })

  it("shows every span once, even those that claim each other as parents", () => {
    const spans = [span("1", "2", "s", "a", 0, 1), span("2", "1", "s", "b", 1, 1), span("3", "3", "s", "c", 2, 1)]
    const lines = TraceTree.render(spans).split("\n")
    assert.deepStrictEqual(lines.map((line) => line.slice(0, 10)), ["(…) s  a  ", "  s  b  [i", "(…) s  c  "])
  })

  it("shows nothing for no spans", () => assert.strictEqual(TraceTree.render([]), ""))
})
