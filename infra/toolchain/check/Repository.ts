import { spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"

/** A text file of the repository. */
export interface File {
  /** From the root, with slashes on every system. */
  readonly path: string
  readonly text: string
}

/** The repository as it would be committed now: what git tracks, and what is new and not ignored. */
export const files = (root: string): ReadonlyArray<File> => {
  const args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]
  const { error, status, stderr, stdout } = spawnSync("git", args, { cwd: root, encoding: "utf8" })
  if (status !== 0) throw new Error(`git cannot list the files of ${root}: is it a checkout? ${error?.message ?? stderr}`)
  return stdout.split("\0").filter((path) => path !== "" && existsSync(join(root, path))).flatMap((path) => {
    const text = readFileSync(join(root, path), "utf8")
    return text.includes("\0") ? [] : [{ path, text }]
  })
}
