import { Option, Schema } from "effect"
import type { CrashPoint } from "@marketplace/postgres/CrashPoints"
import { Armed, files, Hit } from "@marketplace/service/FaultInjection"
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"

/** The folder through which a run tells the processes that have it as `MARKETPLACE_FAULTS` what to do. */
export interface Orders {
  readonly folder: string
  /** The process that passes the point for the n-th time from now on dies there. Gives the number of this order. */
  readonly arm: (point: CrashPoint, pass: number) => number
  /** Whether a process has died of that order. */
  readonly struck: (id: number) => boolean
  readonly disarm: () => void
  /** Clocks are so many milliseconds ahead, or behind if negative, within a tenth of a second. */
  readonly setClock: (offset: number) => void
  /** Whether a process has looked at its clock with that offset since it was set. */
  readonly clockSeen: (offset: number) => boolean
}

export const open = (folder: string): Orders => {
  mkdirSync(folder, { recursive: true })
  let id = 0
  let before = 0
  const hits = () => {
    let text = ""
    try {
      text = readFileSync(join(folder, files.hits), "utf8")
    } catch {
      // nothing has struck yet
    }
    return text.split("\n").flatMap((line) => Option.toArray(Schema.decodeOption(Hit)(line)))
  }
  /** Whoever reads sees all of it or none. */
  const write = (name: string, text: string) => {
    writeFileSync(join(folder, `${name}.new`), text)
    renameSync(join(folder, `${name}.new`), join(folder, name))
  }
  return {
    folder,
    arm: (point, pass) => {
      id++
      write(files.armed, Schema.encodeSync(Armed)({ id, point, pass }))
      return id
    },
    struck: (order) => hits().some(({ what }) => "crash" in what && what.crash === order),
    disarm: () => rmSync(join(folder, files.armed), { force: true }),
    setClock: (offset) => {
      before = hits().length
      write(files.clock, String(offset))
    },
    clockSeen: (offset) => hits().slice(before).some(({ what }) => "clock" in what && what.clock === offset)
  }
}
