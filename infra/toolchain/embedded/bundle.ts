/** Bundles the embedded marketplace: `node infra/toolchain/embedded/bundle.ts FILE`. `start.mjs` says when. */
import { dirname, relative, sep } from "node:path"
import type { Plugin } from "rolldown"
import { bundle } from "../bundle.ts"
import { entry } from "./start.mjs"

/** A module of ours goes on looking from where its source is: what only its own package depends on is found from there. */
const atItsSource = (file: string): Plugin => ({
  name: "at-its-source",
  transform: {
    filter: { id: /[\\/](?:domain|packages|services)[\\/](?!.*node_modules)/, code: /\bimport\.meta\.url\b/ },
    handler: (code, id) => {
      const source = relative(dirname(file), id).split(sep).join("/")
      return code.replaceAll(/\bimport\.meta\.url\b/g, `new URL(${JSON.stringify(source)}, import.meta.url).href`)
    }
  }
})

const [file] = process.argv.slice(2)
if (file === undefined) throw new Error("say which file to write")
await bundle(entry, file, [atItsSource(file)])
