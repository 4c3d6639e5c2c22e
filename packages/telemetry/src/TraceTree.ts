import type { SpanRecord } from "./SpanRecord.ts"

interface Line {
  readonly what: string
  readonly start: number
  readonly span: SpanRecord
}

const byStart = (a: SpanRecord, b: SpanRecord) => a.start - b.start || (a.spanId < b.spanId ? -1 : 1)

const millis = (value: number) => `${value.toFixed(1)} ms`

/** Parents before their children, siblings by start. Spans whose parent is not there begin a tree of their own, marked `(…)`. */
const linesOf = (spans: ReadonlyArray<SpanRecord>): ReadonlyArray<Line> => {
  const known = new Set(spans.map(({ spanId }) => spanId))
  const children = Map.groupBy([...spans].sort(byStart), ({ parentSpanId }) =>
    parentSpanId !== null && known.has(parentSpanId) ? parentSpanId : null)
  const lines: Array<Line> = []
  const seen = new Set<SpanRecord>()

  const add = (span: SpanRecord, depth: number) => {
    if (seen.has(span)) return
    seen.add(span)
    const orphan = depth === 0 && span.parentSpanId !== null ? "(…) " : ""
    lines.push({ what: `${"  ".repeat(depth)}${orphan}${span.service}  ${span.name}  [${span.kind}]`, start: span.start, span })
    for (const child of children.get(span.spanId) ?? []) add(child, depth + 1)
  }

  for (const root of children.get(null) ?? []) add(root, 0)
  // Only spans that claim each other as parents are left.
  for (const span of [...spans].sort(byStart)) add(span, 0)
  return lines
}

/**
 * Spans of one trace as an indented tree: service, name and kind; when each began after the first, how long it took, and how
 * it ended. `(…)` marks a span whose parent is not among them: it is still running, was forgotten, or lies outside.
 */
export const render = (spans: ReadonlyArray<SpanRecord>): string => {
  const lines = linesOf(spans)
  const first = Math.min(...spans.map(({ start }) => start))
  const width = Math.max(...lines.map(({ what }) => what.length))
  return lines.map(({ span, start, what }) =>
    [
      what.padEnd(width),
      `+${millis(start - first)}`.padStart(12),
      millis(span.duration).padStart(12),
      span.error === null ? span.status : `${span.status}: ${span.error}`
    ].join("  ")
  ).join("\n")
}
