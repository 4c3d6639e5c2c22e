import type { SpanRecord } from "./SpanRecord.ts"

interface Line {
  readonly what: string
  readonly span: SpanRecord
}

const byStart = (a: SpanRecord, b: SpanRecord) => a.start - b.start || (a.spanId < b.spanId ? -1 : 1)

const millis = (value: number) => `${value.toFixed(1)} ms`

/** Parents before their children, siblings by start. Spans whose parent is not there begin a tree of their own. */
const linesOf = (spans: ReadonlyArray<SpanRecord>): ReadonlyArray<Line> => {
  const ordered = [...spans].sort(byStart)
  const known = new Set(spans.map(({ spanId }) => spanId))
  const children = Map.groupBy(ordered, ({ parentSpanId }) =>
    parentSpanId !== null && known.has(parentSpanId) ? parentSpanId : null)
  const lines: Array<Line> = []
  const seen = new Set<SpanRecord>()

  const add = (root: SpanRecord) => {
    const open = [{ span: root, depth: 0 }]
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const { depth, span } = next
      if (seen.has(span)) continue
      seen.add(span)
      const orphan = depth === 0 && span.parentSpanId !== null ? "(…) " : ""
      lines.push({ what: `${"  ".repeat(depth)}${orphan}${span.service}  ${span.name}  [${span.kind}]`, span })
      open.push(...(children.get(span.spanId) ?? []).map((child) => ({ span: child, depth: depth + 1 })).reverse())
    }
  }

  for (const root of children.get(null) ?? []) add(root)
  // Only spans that claim each other as parents are left.
  for (const span of ordered) add(span)
  return lines
}

/**
 * Spans of one trace as an indented tree: service, name and kind; when each began after the first, how long it took, and how
 * it ended. `(…)` marks a span whose parent is not among them: it is still running, was forgotten, or lies outside.
 */
export const render = (spans: ReadonlyArray<SpanRecord>): string => {
  const lines = linesOf(spans)
  const first = spans.reduce((least, { start }) => Math.min(least, start), Infinity)
  const width = lines.reduce((most, { what }) => Math.max(most, what.length), 0)
  return lines.map(({ span, what }) =>
    [
      what.padEnd(width),
      `+${millis(span.start - first)}`.padStart(12),
      millis(span.duration).padStart(12),
      span.error === null ? span.status : `${span.status}: ${span.error}`
    ].join("  ")
  ).join("\n")
}
