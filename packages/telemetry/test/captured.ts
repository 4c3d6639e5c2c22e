import type { Console } from "effect"

/** A console that keeps its lines. */
export const capture = () => {
  const out: Array<string> = []
  const err: Array<string> = []
  const console: Console.Console = {
    ...globalThis.console,
    log: (...args) => void out.push(args.join(" ")),
    error: (...args) => void err.push(args.join(" "))
  }
  return { out, err, console }
}
