import { existsSync } from "node:fs"
import { delimiter, join } from "node:path"
import * as Process from "./Process.ts"
import type { Recipe, Tool } from "./Recipes.ts"

/** How the servers of one start are run. */
export type Way = "container" | "process"

const packages: Record<Tool, string> = {
  java: "openjdk-17-jdk-headless",
  javac: "openjdk-17-jdk-headless",
  mvn: "maven",
  "redis-server": "redis-server"
}

const isHere = (tool: Tool) => (process.env["PATH"] ?? "").split(delimiter).some((folder) => existsSync(join(folder, tool)))

const javaVersion = async () => {
  const text = await Process.run("java", ["--version"]).catch(() => "") // Java 8 does not know the option
  return Number(/^\S+ (\d+)/.exec(text)?.[1] ?? 8)
}

const missing = async (wanted: ReadonlyArray<Recipe>): Promise<ReadonlyArray<Tool>> => {
  const needed = [...new Set(wanted.flatMap((recipe) => recipe.process.needs))]
  const absent = needed.filter((tool) => !isHere(tool))
  const old = needed.includes("java") && !absent.includes("java") && await javaVersion() < 17
  return old ? ["java", ...absent] : absent
}

/** The way for servers that are not given by URL. Fails with the one line that says what to do where there is none. */
export const decide = async (wanted: ReadonlyArray<Recipe>): Promise<Way> => {
  if (await Process.run("docker", ["info"], { timeout: 10_000 }).then(() => true, () => false)) return "container"
  const absent = await missing(wanted)
  if (process.platform === "linux" && absent.length === 0) return "process"
  const why = `${wanted.map((recipe) => recipe.title).join(", ")}: no container engine answers "docker info"`
  const urls = `set ${wanted.map((recipe) => recipe.variable).join(", ")}`
  if (process.platform !== "linux") throw new Error(`${why}; start Docker or ${urls}`)
  const root = process.getuid?.() === 0 ? "" : "sudo "
  const install = `${root}apt-get install -y ${[...new Set(absent.map((tool) => packages[tool]))].join(" ")}`
  throw new Error(`${why} and ${absent.join(", ")} cannot be used; run: ${install} (or start Docker, or ${urls})`)
}
