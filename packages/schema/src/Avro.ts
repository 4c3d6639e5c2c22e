import { Effect, Schema } from "effect"
import { canonical, fingerprint } from "./Avro/AvroSchema.ts"
import type { AvroRecord } from "./Avro/AvroSchema.ts"
import { binaryType } from "./Avro/Binary.ts"
import type { BinaryType } from "./Avro/Binary.ts"
import { otherLogicalTypes } from "./Avro/Compatibility.ts"
import { eventForm } from "./Avro/Derivation.ts"
import type { EventContext } from "./Topology.ts"

export type { AvroArray, AvroField, AvroLogical, AvroMap, AvroRecord, AvroSchema } from "./Avro/AvroSchema.ts"
export { canonical, fingerprint } from "./Avro/AvroSchema.ts"
export { compatible } from "./Avro/Compatibility.ts"
export { NoAvroForm } from "./Avro/Derivation.ts"

/** The event is not what its schema says, so nothing was written: a bug of whoever made it. */
export class EncodeError extends Schema.TaggedError<EncodeError>()("AvroEncodeError", {
  event: Schema.String,
  cause: Schema.Defect()
}) {
  override get message(): string {
    return `${this.event} cannot be written as Avro: ${reason(this.cause)}`
  }
}

/**
 * The bytes are not this event, or the schema that wrote them cannot be read as ours. Reading asks nobody, so trying again
 * gives the same: the message is poison. A registry that does not answer is another error, from whoever asked it.
 */
export class DecodeError extends Schema.TaggedError<DecodeError>()("AvroDecodeError", {
  event: Schema.String,
  cause: Schema.Defect()
}) {
  override get message(): string {
    return `${this.event} cannot be read from Avro: ${reason(this.cause)}`
  }
}

/** One event's body as bare Avro, without the transport's frame. */
export interface EventCodec<E> {
  readonly avro: AvroRecord
  /** The canonical text of `avro`, to register and to store. */
  readonly json: string
  /** Names this version of the schema: `fingerprint(avro)`. */
  readonly fingerprint: string
  readonly encode: (event: E) => Effect.Effect<Uint8Array, EncodeError>
  /**
   * @param writer the schema that wrote the bytes, when it may be another version. Pass the same object for the same version:
   * then it is neither parsed nor hashed again.
   */
  readonly decode: (bytes: Uint8Array, writer?: AvroRecord) => Effect.Effect<E, DecodeError>
}

/**
 * The Avro schema of an event: one record `<name>` in the namespace `marketplace.<context>`, whose tag is its name.
 *
 * Ids and statuses are `string`; whole numbers and bigints `long`; times, as text or milliseconds, `timestamp-millis`;
 * `NullOr` and keys that may be absent `["null", T]` with default null. Everything else follows its encoded side. A new field
 * of a released event is `NullOr`, `optionalKey` or `withDecodingDefaultKey`: then old and new versions read each other.
 *
 * A nested record is called by its identifier, its tag, or the way to it (`OrderCreatedLines`). Its description becomes its
 * doc; a field's doc is the description of its key (`annotateKey`), or of its schema when that is no record.
 *
 * @throws NoAvroForm naming the path, for what could not evolve or would lose values: other unions, tuples, numbers with a
 * fraction, recursion, structs without fields, two records of one name
 */
export const derive = (name: string, context: EventContext, schema: Schema.Constraint): AvroRecord =>
  eventForm(name, context, schema).avro

/**
 * The codec of one event. Costly to make and cheap to use: make it once, where the event is declared.
 *
 * @throws NoAvroForm as `derive` does
 */
export const codec = <E>(name: string, context: EventContext, schema: Schema.Codec<E, unknown>): EventCodec<E> => {
  const { avro, read = same, write = same } = eventForm(name, context, schema)
  const own = fingerprint(avro)
  const type = binaryType(avro)
  const resolverOf = resolvers(type, avro, own)
  const encodeSchema = Schema.encodeSync(schema)
  const decodeSchema = Schema.decodeUnknownSync(schema)
  return {
    avro,
    json: canonical(avro),
    fingerprint: own,
    encode: (event) =>
      Effect.try({
        try: () => type.toBuffer(write(encodeSchema(event))),
        catch: (cause) => new EncodeError({ event: name, cause })
      }),
    decode: (bytes, writer = avro) =>
      Effect.try({
        try: () => decodeSchema(read(type.fromBuffer(bufferOf(bytes), resolverOf(writer)))),
        catch: (cause) => new DecodeError({ event: name, cause })
      })
  }
}

interface Reading {
  readonly resolver: ReturnType<BinaryType["createResolver"]> | undefined
}

/** How to read what another version wrote, made once per version. Undefined for our own. */
const resolvers = (type: BinaryType, reader: AvroRecord, own: string): (writer: AvroRecord) => Reading["resolver"] => {
  const ours: Reading = { resolver: undefined }
  const bySchema = new WeakMap([[reader, ours]])
  const byFingerprint = new Map([[own, ours]])
  const reading = (writer: AvroRecord): Reading => {
    const mistaken = otherLogicalTypes(reader, writer)
    if (mistaken.length > 0) throw new Error(mistaken.join("; "))
    return { resolver: type.createResolver(binaryType(writer)) }
  }
  return (writer) => {
    const known = bySchema.get(writer)
    if (known !== undefined) return known.resolver
    const version = fingerprint(writer)
    const found = byFingerprint.get(version) ?? reading(writer)
    bySchema.set(writer, found)
    byFingerprint.set(version, found)
    return found.resolver
  }
}

const same = (value: unknown): unknown => value

const bufferOf = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const reason = (cause: unknown): string => cause instanceof Error ? cause.message : String(cause)
