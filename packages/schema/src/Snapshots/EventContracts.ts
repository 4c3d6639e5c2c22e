import { Effect, type Schema, Struct } from "effect"
import avsc from "avsc"
import { type AvroRecord, codec, type EncodeError } from "../Avro.ts"
import { type EventContext, type EventName, type MarketplaceEvent, published } from "../Topology.ts"
import { samples } from "./Samples.ts"

/** The event of a name. */
export type Named<N extends EventName> = Extract<MarketplaceEvent, { readonly _tag: N }>

/** What others may rely on about one event. */
export interface EventContract {
  readonly name: EventName
  readonly context: EventContext
  readonly avro: AvroRecord
  /** The field by which its stream is named. */
  readonly key: string
  /** The sample of this event as bare Avro, and what any reader of Avro sees in it. */
  readonly golden: Effect.Effect<{ readonly bytes: Uint8Array; readonly value: unknown }, EncodeError>
}

/** What the topology says of each event, by name. */
export const publications: {
  readonly [N in EventName]: { readonly schema: Schema.Codec<Named<N>, unknown>; readonly key: (event: Named<N>) => string }
} = { ...published.user, ...published.product, ...published.order, ...published.payment }

const contractOf = <N extends EventName>(context: EventContext, name: N): EventContract => {
  const { key, schema } = publications[name]
  const sample: Named<N> = samples[name]
  const { avro, encode, json } = codec(name, context, schema)
  const streamKey = key(sample)
  const [field] = Object.entries(sample).find(([, value]) => value === streamKey) ?? []
  if (field === undefined) throw new Error(`${name}: its stream key is none of its fields`)
  return {
    name,
    context,
    avro,
    key: field,
    golden: Effect.map(encode(sample), (bytes) => ({
      bytes,
      value: avsc.Type.forSchema(JSON.parse(json)).fromBuffer(Buffer.from(bytes))
    }))
  }
}

let made: ReadonlyArray<EventContract> | undefined

/** Every event that is published, in the order of the topology. Made when first asked for: it takes 0.1 s. */
export const eventContracts = (): ReadonlyArray<EventContract> =>
  made ??= Struct.keys(published).flatMap((context) =>
    Struct.keys<{ readonly [N in EventName]?: unknown }>(published[context]).map((name) => contractOf(context, name)))
