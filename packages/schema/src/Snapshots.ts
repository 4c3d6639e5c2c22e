import { asyncApi } from "./Snapshots/AsyncApi.ts"
import { eventContracts } from "./Snapshots/EventContracts.ts"
import { format } from "./Snapshots/Json.ts"
import { lifecycles } from "./Snapshots/Lifecycles.ts"
import { openApi } from "./Snapshots/OpenApi.ts"

/** Where the snapshots live, from the root of the repository. */
export const paths = {
  openApi: "packages/schema/snapshots/openapi.json",
  asyncApi: "packages/schema/snapshots/asyncapi.json",
  lifecycles: "docs/lifecycles.md",
  /** `<Event>.avsc` as of now. */
  current: "packages/schema/snapshots/current",
  /** `<Event>.v<N>.avsc` with golden bytes beside it; see `Snapshots/Releases.ts`. */
  released: "packages/schema/snapshots/released"
} as const

/** What every generated file must hold, by its path from the root of the repository. Released files are not among them. */
export const snapshots = (): ReadonlyMap<string, string> =>
  new Map([
    [paths.openApi, format(openApi())],
    [paths.asyncApi, format(asyncApi())],
    [paths.lifecycles, lifecycles()],
    ...eventContracts().map(({ avro, name }) => [`${paths.current}/${name}.avsc`, format(avro)] as const)
  ])
