import { Effect, Schema } from "effect"
import { readdirSync, readFileSync } from "node:fs"

/** What a process and all below it have used so far. */
export interface Usage {
  /** User and system time, in milliseconds. */
  readonly cpu: number
  /** Resident memory of the whole tree, in MiB; pages that processes share count once for each. */
  readonly memory: number
  /** Resident memory of the root alone, in MiB. */
  readonly rootMemory: number
  readonly processes: number
}

/** Only Linux tells it (`/proc`). */
export class NotMeasurable extends Schema.TaggedError<NotMeasurable>()("NotMeasurable", {}) {}

/** Clock ticks of `/proc/<pid>/stat` per second: 100 on every Linux that Node runs on. */
const ticksPerSecond = 100

interface Stat {
  readonly parent: number
  readonly ticks: number
  readonly pages: number
}

const statOf = (pid: number): Stat | undefined => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8")
    // the name is in parentheses and may hold anything
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ").map(Number)
    const field = (n: number) => fields[n - 3] ?? 0
    // children that ended and were waited for are in 16 and 17
    return { parent: field(4), ticks: field(14) + field(15) + field(16) + field(17), pages: field(24) }
  } catch {
    return undefined
  }
}

/** CPU and memory of a process and of everything that it has started. */
export const usage = (root: number): Effect.Effect<Usage, NotMeasurable> =>
  Effect.suspend(() => {
    if (process.platform !== "linux") return Effect.fail(new NotMeasurable())
    const stats = new Map<number, Stat>()
    for (const name of readdirSync("/proc")) {
      const pid = Number(name)
      const stat = Number.isInteger(pid) ? statOf(pid) : undefined
      if (stat !== undefined) stats.set(pid, stat)
    }
    const below = (pid: number): boolean => {
      for (let at: number | undefined = pid; at !== undefined && at > 1; at = stats.get(at)?.parent) if (at === root) return true
      return false
    }
    const tree = [...stats].filter(([pid]) => below(pid))
    const mebibytes = (pages: number) => pages * 4096 / 2 ** 20
    return Effect.succeed({
      cpu: tree.reduce((sum, [, { ticks }]) => sum + ticks, 0) * 1000 / ticksPerSecond,
      memory: mebibytes(tree.reduce((sum, [, { pages }]) => sum + pages, 0)),
      rootMemory: mebibytes(stats.get(root)?.pages ?? 0),
      processes: tree.length
    })
  })
