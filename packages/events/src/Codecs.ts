import { Effect, Option, Schema, Struct } from "effect"
import * as Avro from "@marketplace/schema/Avro"
import { type EventContext, type EventName, type MarketplaceEvent, published } from "@marketplace/schema/Topology"
import type { Envelope } from "./Envelope.ts"

type Named<N extends EventName> = Extract<MarketplaceEvent, { readonly _tag: N }>

interface Publication<E> {
  readonly schema: Schema.Codec<E, unknown>
  readonly key: (event: E) => string
}

const publications: { readonly [N in EventName]: Publication<Named<N>> } = {
  ...published.user,
  ...published.product,
  ...published.order,
  ...published.payment
}

const contexts: ReadonlyMap<string, EventContext> = new Map(
  Struct.keys(published).flatMap((context) => Struct.keys(published[context]).map((name) => [name, context] as const))
)

/** Who tells events of this name. */
export const contextOf = (name: EventName): EventContext => {
  const context = contexts.get(name)
  if (context === undefined) throw new Error(`${name} is not in the topology`)
  return context
}

const codecs = new Map<EventName, unknown>()

/** Made when it is first needed: that costs more than a thousand events. */
const codecOf = <N extends EventName>(name: N): Avro.EventCodec<Named<N>> => {
  // Nothing but this function writes the map.
  const known = codecs.get(name) as Avro.EventCodec<Named<N>> | undefined
  if (known !== undefined) return known
  const made = Avro.codec(name, contextOf(name), publications[name].schema)
  codecs.set(name, made)
  writers.set(made.fingerprint, { avro: made.json, schema: made.avro })
  return made
}

interface Writer {
  readonly avro: string
  readonly schema: Avro.AvroRecord
}

/** By fingerprint: what is known of it never changes, so the whole process shares it. */
const writers = new Map<string, Writer>()

/** The Avro schema with this fingerprint, as JSON, if this process has met it. */
export const writerOf = (fingerprint: string): string | undefined => writers.get(fingerprint)?.avro

const parse = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Json)))

/**
 * Makes a schema of another version known, so that bodies it wrote can be decoded. Returns its fingerprint; undefined for
 * what is no JSON object. Whether it is a schema shows when it is used.
 */
export const learn = (avro: string): string | undefined => {
  const schema = Option.getOrUndefined(parse(avro)) as Avro.AvroRecord | undefined
  if (schema === undefined) return undefined
  const fingerprint = Avro.fingerprint(schema)
  if (!writers.has(fingerprint)) writers.set(fingerprint, { avro, schema })
  return fingerprint
}

/** The schemas with which this version writes a context's events. */
export const writersOf = (context: EventContext): ReadonlyArray<{ readonly fingerprint: string; readonly avro: string }> =>
  [...contexts].filter(([, of]) => of === context).map(([name]) => name)
    .filter((name): name is EventName => name in publications)
    .map((name) => codecOf(name)).map(({ fingerprint, json }) => ({ fingerprint, avro: json }))

/** An event in the form in which it is kept and sent. */
export type Encoded = Pick<Envelope, "context" | "type" | "streamKey" | "fingerprint" | "body">

const encodeNamed = <N extends EventName>(name: N, event: Named<N>): Effect.Effect<Encoded> => {
  const { encode, fingerprint } = codecOf(name)
  return Effect.map(Effect.orDie(encode(event)), (body) => ({
    context: contextOf(name),
    type: name,
    streamKey: publications[name].key(event),
    fingerprint,
    body
  }))
}

/** Dies of an event that is not what its schema says. */
export const encode = (event: MarketplaceEvent): Effect.Effect<Encoded> => encodeNamed(event._tag, event)

/** Nobody will ever read this event with the schemas that are known; trying again gives the same. */
export class CannotDecode extends Schema.TaggedError<CannotDecode>()("CannotDecode", {
  eventId: Schema.String,
  type: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.type} ${this.eventId}: ${this.detail}`
  }
}

export const decode = ({ body, fingerprint, id, type }: Envelope): Effect.Effect<MarketplaceEvent, CannotDecode> => {
  const refused = (detail: string) => new CannotDecode({ eventId: id, type, detail })
  if (!contexts.has(type)) return Effect.fail(refused("no such event is known"))
  const codec = codecOf(type)
  const writer = writers.get(fingerprint)
  if (writer === undefined) return Effect.fail(refused(`nobody knows the schema ${fingerprint} that wrote it`))
  return Effect.mapError(codec.decode(body, writer.schema), (error) => refused(error.message))
}
