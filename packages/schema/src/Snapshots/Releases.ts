import { Effect, Option } from "effect"
import { type AvroRecord, canonical, compatible } from "../Avro.ts"
import { eventContracts } from "./EventContracts.ts"
import { format } from "./Json.ts"

/** A version of an event's schema that somebody outside may hold: it is never written again. */
export interface Release {
  readonly event: string
  readonly version: number
  readonly avro: AvroRecord
}

/** The releases among files, by name: `<Event>.v<N>.avsc`, oldest first. */
export const releasesOf = (files: ReadonlyMap<string, string>): ReadonlyArray<Release> =>
  [...files].flatMap(([name, text]) => {
    const [, event, version] = /^(\w+)\.v(\d+)\.avsc$/.exec(name) ?? []
    return event === undefined ? [] : [{ event, version: Number(version), avro: avroOf(text) }]
  }).sort((left, right) => left.version - right.version)

const avroOf = (text: string): AvroRecord => JSON.parse(text)

/** Why the events of now and the released ones could not read each other, in sentences; also events that are gone. */
export const incompatibilities = (releases: ReadonlyArray<Release>): ReadonlyArray<string> =>
  releases.flatMap(({ avro, event, version }) => {
    const now = eventContracts().find(({ name }) => name === event)
    return now === undefined
      ? [`${event}: released as version ${version}, and no longer published`]
      : compatible(now.avro, avro).map((problem) => `against ${event}.v${version}: ${problem}`)
  })

/**
 * The files of the next releases, for events whose schema is none or another than their latest one. Beside the schema of a
 * version lie golden bytes that it wrote, in hexadecimal, and what is in them.
 */
export const nextReleases = Effect.fn("Releases.nextReleases")(function*(releases: ReadonlyArray<Release>) {
  const files = new Map<string, string>()
  for (const { avro, golden, name } of eventContracts()) {
    const latest = Option.fromUndefinedOr(releases.findLast(({ event }) => event === name))
    if (Option.exists(latest, (release) => canonical(release.avro) === canonical(avro))) continue
    const version = `${name}.v${Option.match(latest, { onNone: () => 1, onSome: (release) => release.version + 1 })}`
    const { bytes, value } = yield* golden
    files.set(`${version}.avsc`, format(avro))
    files.set(`${version}.avro.hex`, `${Buffer.from(bytes).toString("hex")}\n`)
    files.set(`${version}.json`, format(value))
  }
  return files
})
