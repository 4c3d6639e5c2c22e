/**
 * Does what a page tells its readers to do: `node infra/toolchain/readme.ts README.md`. Ends with status 1 and the line of
 * the first block that fails.
 *
 * Each block fenced as `bash` says in the comment before it how it is meant:
 *
 *     <!-- ci: alone -->     it needs nothing and comes to an end
 *     <!-- ci: start -->     it starts a marketplace that stays; this one waits until it has announced itself
 *     <!-- ci: running -->   it talks to the marketplace started before it, at MARKETPLACE_URL
 *     <!-- ci: docker -->    as alone, but skipped where no container engine answers
 *
 * `docker` may also stand behind `start`. Blocks that run one after the other against the same marketplace share a shell, as
 * a reader's terminal does. A shell block without a comment is an error: nothing in the page stays untried.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { once } from "node:events"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"

/** A fenced block. */
export interface Fence {
  readonly language: string
  /** The opening fence, from 1. */
  readonly line: number
  readonly code: string
  /** The words of the comment before it. */
  readonly mark: ReadonlyArray<string>
}

/** A block to run. */
export interface Block {
  readonly kind: "alone" | "start" | "running"
  readonly needsDocker: boolean
  readonly line: number
  readonly code: string
}

const shells = new Set(["bash", "sh", "zsh", "shell", "console"])

/** Every fenced block of a page. */
export const fences = (page: string): ReadonlyArray<Fence> =>
  [...page.matchAll(/(?:^<!-- ci: ([a-z ]+) -->\n)?^```(\w*)\n(.*?)^```$/gms)].map((found) => {
    const [text, mark = "", language = "", code = ""] = found
    const line = page.slice(0, found.index).split("\n").length + (text.startsWith("<!--") ? 1 : 0)
    return { language, line, code, mark: mark.split(" ").filter((word) => word !== "") }
  })

/** The blocks to run, in order. */
export const blocks = (page: string): ReadonlyArray<Block> => {
  let started = false
  return fences(page).filter(({ language }) => shells.has(language)).map(({ code, language, line, mark }) => {
    const needsDocker = mark.includes("docker")
    const kind = mark.find((word) => word !== "docker") ?? (needsDocker ? "alone" : undefined)
    if (language !== "bash") throw new PageFailed(line, `fenced as ${language}; only bash is tried`)
    if (kind !== "alone" && kind !== "start" && kind !== "running") {
      throw new PageFailed(line, "no comment <!-- ci: alone|start|running|docker --> stands before it")
    }
    started ||= kind === "start"
    if (kind === "running" && !started) throw new PageFailed(line, "no block before it starts a marketplace")
    return { kind, needsDocker, line, code }
  })
}

/** What is wrong, and where in the page. */
export class PageFailed extends Error {
  readonly line: number
  constructor(line: number, reason: string) {
    super(reason)
    this.line = line
  }
}

/** How long a block may take; the first start fetches what it needs. */
const timeout = 30 * 60_000
const defaultUrl = "http://127.0.0.1:8080"

type Environment = Readonly<Record<string, string>>

interface Marketplace {
  /** How later blocks find it. */
  readonly env: Environment
  readonly stop: () => Promise<void>
}

/** What runs the blocks of one page: bash, in folder `root`, with scratch files in `folder`. */
const runner = (name: string, root: string, folder: string) => {
  const alive = new Set<ChildProcess>()
  const say = (line: number, text: string) => process.stderr.write(`${name}:${line}: ${text}\n`)

  /** The blocks as one script whose line numbers are the page's; descriptor 3 tells which one has begun. */
  const shell = (parts: ReadonlyArray<Block>, env: Environment) => {
    const script: Array<string> = []
    for (const { code, line } of parts) {
      while (script.length < line - 1) script.push("")
      script.push(`echo ${line} >&3`, ...code.trimEnd().split("\n"))
    }
    let line = parts[0]?.line ?? 0
    // bash reads while it runs: each shell has a file of its own, called as the page is, which bash's messages name
    const file = join(mkdtempSync(join(folder, "shell-")), name)
    writeFileSync(file, script.join("\n"))
    const child = spawn("bash", ["-euo", "pipefail", file], {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ["ignore", "inherit", "inherit", "pipe"],
      detached: true
    })
    child.stdio[3]?.on("data", (told) => {
      for (const begun of String(told).trim().split("\n")) say(line = Number(begun), "runs")
    })
    alive.add(child)
    const closed = once(child, "close").finally(() => alive.delete(child))
    return { child, closed, line: () => line }
  }

  const kill = (signal: "SIGTERM" | "SIGKILL") => {
    for (const { pid } of alive) if (pid !== undefined) process.kill(-pid, signal)
  }

  /** Runs the blocks to their end. */
  const finish = async (parts: ReadonlyArray<Block>, env: Environment) => {
    const { child, closed, line } = shell(parts, env)
    const timer = setTimeout(kill, timeout, "SIGTERM")
    await closed
    clearTimeout(timer)
    if (child.exitCode !== 0) throw new PageFailed(line(), `failed with ${child.exitCode ?? child.signalCode}`)
  }

  /** Starts what the block starts, and waits until it can be talked to. */
  const start = async (block: Block): Promise<Marketplace> => {
    const data = join(folder, `data-${block.line}`)
    const announcement = join(data, "running.json")
    const { child, closed } = shell([block], { MARKETPLACE_DATA: data })
    const end = Date.now() + timeout
    while (!existsSync(announcement) || readFileSync(announcement, "utf8") === "") {
      if (child.exitCode !== null) throw new PageFailed(block.line, `ended with ${child.exitCode} before anybody could talk to it`)
      if (Date.now() > end) throw new PageFailed(block.line, "nobody could talk to it in half an hour")
      await sleep(100)
    }
    const { gatewayUrl, pid } = JSON.parse(readFileSync(announcement, "utf8"))
    if (gatewayUrl !== defaultUrl) say(block.line, `it is not at ${defaultUrl} but, as MARKETPLACE_URL says, at ${gatewayUrl}`)
    return {
      env: { MARKETPLACE_URL: gatewayUrl, MARKETPLACE_DATA: data },
      stop: async () => {
        // as Ctrl-C, but once: what is told twice does not take its time
        process.kill(pid, "SIGINT")
        const timer = setTimeout(kill, 60_000, "SIGKILL")
        await closed
        clearTimeout(timer)
      }
    }
  }

  return { finish, kill, say, start }
}

const hasDocker = () => spawnSync("docker", ["info"], { stdio: "ignore", timeout: 20_000 }).status === 0

/** Runs the blocks of a page. */
const run = async (path: string, root: string) => {
  const left = [...blocks(readFileSync(path, "utf8"))]
  const folder = mkdtempSync(join(tmpdir(), "marketplace-readme-"))
  // for the user as whom PostgreSQL runs when this is root
  chmodSync(folder, 0o755)
  const { finish, kill, say, start } = runner(basename(path), root, folder)
  let current: Marketplace | undefined
  const stop = async () => {
    const running = current
    current = undefined
    await running?.stop()
  }
  const leave = () => void stop().finally(() => process.exit(130))
  process.once("SIGINT", leave).once("SIGTERM", leave)

  try {
    let skipping = false
    for (let block = left.shift(); block !== undefined; block = left.shift()) {
      if (block.kind !== "running") skipping = block.needsDocker && !hasDocker()
      if (skipping) {
        say(block.line, `skipped, no container engine answers "docker info"`)
      } else if (block.kind === "running") {
        const session = [block]
        while (left[0]?.kind === "running") session.push(...left.splice(0, 1))
        await finish(session, current?.env ?? {})
      } else if (block.kind === "start") {
        await stop()
        current = await start(block)
      } else {
        // containers take the ports that it has
        if (block.needsDocker) await stop()
        await finish([block], current?.env ?? {})
      }
    }
  } finally {
    await stop().finally(() => kill("SIGTERM"))
    rmSync(folder, { recursive: true, force: true })
  }
}

if (import.meta.main) {
  const [path] = process.argv.slice(2)
  if (path === undefined) {
    process.stderr.write("usage: node infra/toolchain/readme.ts <page>\n")
    process.exit(2)
  }
  await run(path, join(import.meta.dirname, "..", "..")).catch((error: unknown) => {
    const at = error instanceof PageFailed ? `:${error.line}` : ""
    process.stderr.write(`${basename(path)}${at}: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  })
}
