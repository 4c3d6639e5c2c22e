import type { EventContext, EventName } from "@marketplace/schema/Topology"

/** An event on its way: what every transport carries beside the bare Avro body. */
export interface Envelope {
  /** UUIDv7; consumers recognise a repetition by it. */
  readonly id: string
  readonly context: EventContext
  readonly type: EventName
  /** Events with the same key are delivered in the order of their sequence. */
  readonly streamKey: string
  /** 1, 2, 3 … per context and stream key, without a gap, taken under the aggregate's lock. */
  readonly sequence: number
  /** Milliseconds since 1970 at which the state and this event were written. */
  readonly occurredAt: number
  /** W3C trace context of the write, to be continued by the consumers. */
  readonly traceparent: string | null
  /** The event that made the publisher act, if one did. */
  readonly causeId: string | null
  /** Of the schema that wrote the body. */
  readonly fingerprint: string
  /** Avro, without any frame. */
  readonly body: Uint8Array
}
