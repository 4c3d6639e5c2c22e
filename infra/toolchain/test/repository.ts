import { join } from "node:path"
import * as Repository from "../check/Repository.ts"

export const root = join(import.meta.dirname, "..", "..", "..")

/** The repository as it is; the tests plant something wrong in it. */
export const files = Repository.files(root)

export const textOf = (path: string): string => {
  const found = files.find((file) => file.path === path)
  if (found === undefined) throw new Error(`there is no ${path}`)
  return found.text
}

/** With one file more, or another text in one that is there. */
export const withFile = (path: string, text: string): ReadonlyArray<Repository.File> =>
  [...files.filter((file) => file.path !== path), { path, text }]

/** With a text changed in a file, which must have it. */
export const withChange = (path: string, before: string, after: string): ReadonlyArray<Repository.File> => {
  const text = textOf(path)
  if (!text.includes(before)) throw new Error(`${path} has no ${before}`)
  return withFile(path, text.replace(before, after))
}
