import type { IHeaders, KafkaMessage, Message } from "kafkajs"
import type { EventContext, EventName } from "@marketplace/schema/Topology"
import type { Envelope } from "../Envelope.ts"

const source = (context: EventContext) => `/marketplace/${context}`

/** Confluent's wire format: a zero, the registry's id of the schema in four bytes, the Avro body. */
export const frame = (schemaId: number, body: Uint8Array): Buffer => {
  const value = Buffer.allocUnsafe(5 + body.length)
  value.writeUInt8(0, 0)
  value.writeUInt32BE(schemaId, 1)
  value.set(body, 5)
  return value
}

/** Undefined if the value is not framed. */
export const unframe = (value: Buffer | null): { readonly schemaId: number; readonly body: Uint8Array } | undefined =>
  value !== null && value.length >= 5 && value.readUInt8(0) === 0
    ? { schemaId: value.readUInt32BE(1), body: new Uint8Array(value.subarray(5)) }
    : undefined

/** CloudEvents 1.0, binary mode: attributes in headers, and what this platform needs beside them. */
export const toMessage = (envelope: Envelope, schemaId: number): Message => ({
  key: envelope.streamKey,
  value: frame(schemaId, envelope.body),
  headers: {
    ce_specversion: "1.0",
    ce_id: envelope.id,
    ce_type: envelope.type,
    ce_source: source(envelope.context),
    ce_time: new Date(envelope.occurredAt).toISOString(),
    ce_subject: envelope.streamKey,
    ce_sequence: String(envelope.sequence),
    ...(envelope.traceparent === null ? {} : { traceparent: envelope.traceparent }),
    ...(envelope.causeId === null ? {} : { ce_causeid: envelope.causeId })
  }
})

const text = (headers: IHeaders | undefined, name: string): string | undefined => {
  const value = headers?.[name]
  return value === undefined || Array.isArray(value) ? undefined : value.toString()
}

/** The name of the event, one of `types`; undefined for others, and for what is no event of this platform. */
export const typeOf = ({ headers }: KafkaMessage, types: ReadonlySet<EventName>): EventName | undefined => {
  const type = text(headers, "ce_type")
  for (const one of types) if (one === type) return one
  return undefined
}

/** Undefined if a header is missing that an event of this platform always has. */
export const toEnvelope = (
  { headers }: KafkaMessage,
  event: Pick<Envelope, "context" | "type" | "fingerprint" | "body">
): Envelope | undefined => {
  const id = text(headers, "ce_id")
  const streamKey = text(headers, "ce_subject")
  const sequence = Number(text(headers, "ce_sequence"))
  const occurredAt = Date.parse(text(headers, "ce_time") ?? "")
  if (id === undefined || streamKey === undefined || !Number.isInteger(sequence) || Number.isNaN(occurredAt)) return undefined
  return {
    ...event,
    id,
    streamKey,
    sequence,
    occurredAt,
    traceparent: text(headers, "traceparent") ?? null,
    causeId: text(headers, "ce_causeid") ?? null
  }
}
